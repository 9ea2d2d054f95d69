"""What replicas pass to one another, as plain values: a request and its answer, what is known of an event."""

from __future__ import annotations

from typing import NamedTuple


class Asked(NamedTuple):
    """A request as it came in; `target` is its path with the query string."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""


class Answered(NamedTuple):
    """What to send back as it stands."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Committed(NamedTuple):
    """What the warehouse knows of one event."""

    source: str
    disposition: str
    reason: str | None
    reason_field: str | None
    commit_seq: int
