"""What a contract says of a payload: its fields, or the first thing that is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

IdentifierKind = Literal["msisdn", "email", "handle", "account", "customer_id"]
KINDS: tuple[IdentifierKind, ...] = get_args(IdentifierKind)


class Identifier(NamedTuple):
    """One way the sender names the customer; `value` as the sender wrote it."""

    kind: IdentifierKind
    value: str


class Place(NamedTuple):
    """Where the complaint belongs, each part as the sender wrote it."""

    country: str | None = None
    region: str | None = None
    city: str | None = None
    cell_id: str | None = None


class Reading(NamedTuple):
    """A payload that keeps its contract.

    `event_us` is in microseconds since 1970, UTC; `utc_offset_min` is the offset the time had; `zone` is
    an IANA name, or the offset as "+01:00" where nothing else is known. `extra` are the JSON paths of
    fields the contract does not know: names only, at most `faults.LIMIT` of them.
    """

    text: str
    event_us: int
    utc_offset_min: int
    zone: str
    customer: tuple[Identifier, ...]
    place: Place
    extra: tuple[str, ...]


class Violation(NamedTuple):
    """A payload that breaks its contract.

    `reason` is one of `catalog.tables.REASONS`; `field` is the JSON path of the first field at fault, in
    the contract's order, and empty for the whole payload; the rest is there as far as it was readable.
    """

    reason: str
    field: str
    text: str | None
    event_us: int | None


def identifiers(pairs: Sequence[tuple[IdentifierKind, str | None]]) -> tuple[Identifier, ...]:
    """The identifiers that were given: a form sends an empty one where nothing was filled in."""
    return tuple([Identifier(kind, value) for kind, value in pairs if value])
