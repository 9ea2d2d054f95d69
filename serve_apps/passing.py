"""One HTTP request and its answer as plain values, to be passed from one replica to another."""

from __future__ import annotations

from typing import NamedTuple

Headers = tuple[tuple[str, str], ...]


class Asked(NamedTuple):
    """A request as it came in; header names are lower-case."""

    method: str
    path: str
    query_string: str
    headers: Headers
    body: bytes


class Answered(NamedTuple):
    """What to send back as it stands."""

    status: int
    headers: Headers
    body: bytes
