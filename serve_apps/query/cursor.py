"""Where the next page of complaints begins. It stays right while new complaints are committed."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any, NamedTuple

import msgspec

from catalog.clock import to_datetime
from catalog.errors import BadInput


class Cursor(NamedTuple):
    """The last row shown; rows of plans after `as_of_seq` are on no page."""

    time_us: int
    event_id: str
    as_of_seq: int
    filters: str
    """Digest of the filters: with others, a page would be a page of nothing in particular."""


def digest(filters: dict[str, Any]) -> str:
    """What tells one set of filters from another."""
    return hashlib.sha256(msgspec.json.encode(filters, order="sorted")).hexdigest()[:16]


def encode(cursor: Cursor) -> str:
    """As text that fits a URL."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode().rstrip("=")


def decode(text: str, filters: str) -> Cursor:
    """Raises BadInput for a text that `encode` did not make, or made for other filters."""
    try:
        found = msgspec.msgpack.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=Cursor)
        to_datetime(found.time_us)
    except (binascii.Error, msgspec.MsgspecError, ValueError, OverflowError):
        raise BadInput("the cursor cannot be read", hint="begin without one") from None
    if found.filters != filters:
        raise BadInput("the cursor belongs to other filters", hint="begin without one")
    return found
