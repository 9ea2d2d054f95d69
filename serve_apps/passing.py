"""One HTTP request and its answer as plain values, to be passed from one replica to another, unless nobody
waits for it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import NamedTuple, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from serve_apps.problems import Refused

T = TypeVar("T")
NOBODY_WAITS = 499


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


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """What `work` gives; where the caller of a request whose body is read goes away before, it is cancelled.

    Raises Refused then, with an answer that nobody reads.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Refused(Response(status_code=NOBODY_WAITS))
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
