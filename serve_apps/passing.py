"""One HTTP request and its answer as plain values, to be passed from one replica to another."""

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
