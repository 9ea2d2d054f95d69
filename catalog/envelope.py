"""The envelope: bytes as received and what the door knew, stored before anything is judged."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from catalog.ids import Kind, corrupt_frame_id

CHANNEL = re.compile(r"[a-z][a-z0-9_]{0,31}")
"""How a channel may be called: lower-case letters, digits and _."""
SOURCE_LENGTH = 200
"""Characters in the longest name of a source."""
NO_CHANNEL = "unknown"
"""The channel of a frame whose header cannot be read."""


class Envelope(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One event as it came in. Nothing in it is validated beyond its identity."""

    event_id: str
    id_origin: Kind
    channel: str
    source: str
    received_us: int
    """When the door received it, in microseconds since 1970, UTC."""
    contract: str
    """The channel's payload agreement in force at the door, as `name/version`."""
    bundle: str
    content_type: str
    key_id: str
    """Which key protects the payload at rest; empty while payloads are not encrypted."""
    payload: bytes


class Located(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An envelope, or a frame nobody can read, and where the log holds it.

    `envelope` is None for a frame that an amendment has given up (`frame_corrupt`).
    """

    segment: str
    offset: int
    envelope: Envelope | None


class Unreadable(NamedTuple):
    """What is known of a frame given up: when its plan was made, and the digest of the bytes left of it."""

    created_us: int
    digest: str


def stand_in(segment: str, offset: int, received_us: int = 0, remains: bytes = b"") -> Envelope:
    """What stands for the envelope of a frame given up: only its place and the bytes left are known."""
    return Envelope(
        event_id=corrupt_frame_id(segment, offset),
        id_origin="minted",
        channel=NO_CHANNEL,
        source="log",
        received_us=received_us,
        contract="",
        bundle="",
        content_type="",
        key_id="",
        payload=remains,
    )
