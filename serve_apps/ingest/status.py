"""What a sender asks: the state of one event. However long the answer takes, the door takes events in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from catalog.errors import BeejanError
from serve_apps.ingest import framing
from serve_apps.ingest.deps import Deps
from serve_apps.ingest.door import Door
from serve_apps.ingest.refusals import refused

_EVENT_ID = re.compile(r"[0-9a-f]{32}")


class State(msgspec.Struct):
    """What became of an event; `pending` also stands for one that this key may not know of."""

    event_id: str
    state: str = "pending"
    disposition: str | None = None
    reason: str | None = None
    reason_field: str | None = None
    commit_seq: int | None = None


class StatusRequests:
    """Answers them in bounded time and number."""

    def __init__(self, deps: Deps, door: Door) -> None:
        self._deps = deps
        self._door = door
        self._free = deps.limits.lookups

    async def event(self, request: Request) -> Response:
        """`GET /v1/events/{event_id}`: never 404, since what was just acknowledged is not known yet."""
        key = self._door.key(request)
        event_id = request.path_params["event_id"]
        if not _EVENT_ID.fullmatch(event_id):
            raise refused("event_id_malformed")
        async with self._bounded():
            found = await self._deps.lookup(event_id)
        state = State(event_id)
        if found is not None and found.source == key.source:
            decided = (found.disposition, found.reason, found.reason_field, found.commit_seq)
            state = State(event_id, "committed", *decided)
        return Response(msgspec.json.encode(state), media_type=framing.JSON)

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        if not self._free:
            raise refused("door_full")
        self._free -= 1
        try:
            async with asyncio.timeout(self._deps.limits.lookup_s):
                yield
        # Whatever it failed by, TooSlow too: the query for one event is ours, not the caller's fault.
        except (TimeoutError, BeejanError):
            raise refused("unavailable") from None
        finally:
            self._free += 1
