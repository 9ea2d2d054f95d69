"""What replicas pass to one another, as plain values: a request and its answer, what is known of an event."""

from __future__ import annotations

import asyncio
import string
from collections.abc import Awaitable, Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from starlette.requests import Request

from serve_apps.problems import Refusal, Refused

T = TypeVar("T")
GONE = Refusal("caller_gone", 499, "the caller went away", "ask again")
"""An answer that nobody reads."""


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


def target(scope: Mapping[str, Any]) -> str:
    """Of an ASGI request: its path with the query string, whose bytes need not have been ASCII."""
    query = quote(scope["query_string"], safe=string.punctuation)
    return quote(scope["path"]) + (f"?{query}" if query else "")


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """What `work` gives; where the caller of a request whose body is read goes away before, it is cancelled.

    Raises Refused then, with an answer that nobody reads.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Refused(GONE)
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class Committed(NamedTuple):
    """What the warehouse knows of one event."""

    source: str
    disposition: str
    reason: str | None
    reason_field: str | None
    commit_seq: int
