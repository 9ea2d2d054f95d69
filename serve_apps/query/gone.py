"""Work for a caller who may go away before it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import Request

from serve_apps.problems import Refusal, Refused

T = TypeVar("T")
GONE = Refusal("caller_gone", 499, "the caller went away", "ask again")
"""An answer that nobody reads."""


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """What `work` gives; where the caller of a request whose body is read goes away before, it is cancelled.

    Raises Refused then, with an answer that nobody reads.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(left(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Refused(GONE)
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


async def left(request: Request) -> None:
    """Comes back once the caller has gone away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
