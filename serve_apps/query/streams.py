"""Server-sent events: commits as they happen, heartbeats, and an end for whoever does not read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from catalog.errors import BeejanError
from catalog.lake.commits import Commit
from serve_apps.problems import Refused
from serve_apps.query.feed import CommitFeed
from serve_apps.query.gone import unless_gone

EVENT_STREAM = "text/event-stream"
HEARTBEAT_S = 15.0
SEND_S = 20.0
"""How long a subscriber may leave unread what was sent, once all buffers on the way are full."""
RETRY = b"retry: 1000\n\n"
HEARTBEAT, AWAY, BACK = b": heartbeat\n\n", b": the lake does not answer\n\n", b": the lake answers again\n\n"
log = logging.getLogger(__name__)


def event(commit: Commit) -> bytes:
    """One commit as a server-sent event."""
    return b"id: %d\ndata: %s\n\n" % (commit.commit_seq, msgspec.json.encode(commit._asdict()))


async def commit_events(
    feed: CommitFeed, last: int, after: int, is_valid: Callable[[], Awaitable[bool]], beat_s: float
) -> AsyncIterator[bytes]:
    """Every commit behind `after`, once and in order, for ever; a heartbeat every `beat_s`.

    Ends where the feed does, and at the first heartbeat at which the key is not valid any more.
    """
    now = asyncio.get_running_loop().time
    was_away, beat_at = False, now() + beat_s
    async with feed.subscription(last):
        yield RETRY
        while not feed.has_ended:
            found: list[Commit] = []
            try:
                async with asyncio.timeout_at(beat_at):
                    found = await feed.after(after)
            except TimeoutError:
                if not await is_valid():
                    return
                beat_at = now() + beat_s
                yield HEARTBEAT
            except BeejanError:  # what it missed cannot be read: the client comes back behind what it has
                yield AWAY
                return
            for each in found:
                after = each.commit_seq
                yield event(each)
            if feed.is_away != was_away:
                was_away = feed.is_away
                yield AWAY if was_away else BACK


class EventStream(Response):
    """Sends pieces as they come, each at once; a caller that does not take them in time is dropped."""

    media_type = EVENT_STREAM

    def __init__(self, request: Request, pieces: AsyncIterator[bytes], send_s: float = SEND_S) -> None:
        # No proxy may hold back what it was sent.
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._request, self._pieces, self._send_s = request, pieces, send_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            await unless_gone(self._request, self._send_all(send))
        except Refused:
            pass  # the caller has gone, and hears nothing
        except TimeoutError:
            log.warning(
                "a subscriber that does not read was dropped"
            )  # it comes back behind what it has read

    async def _send_all(self, send: Send) -> None:
        try:
            async for piece in self._pieces:
                await self._send(send, piece, True)
            await self._send(send, b"", False)
        finally:
            await self._pieces.aclose()  # type: ignore[attr-defined]

    async def _send(self, send: Send, body: bytes, is_more: bool) -> None:
        async with asyncio.timeout(self._send_s):
            await send({"type": "http.response.body", "body": body, "more_body": is_more})
