"""The query door as another replica uses it: a request in, the answer out, no socket between."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Callable

import httpx

from serve_apps.passing import Answered, Asked, Committed
from serve_apps.query.api import Deps, create_api
from serve_apps.query.engine.port import Limits

FIND = "SELECT source, disposition, reason, reason_field, plan AS commit_seq FROM events WHERE event_id = ?"


class Door:
    """Holds the routes and what they ask."""

    def __init__(self, build: Callable[[], Deps]) -> None:
        """`build` opens everything, in the process that will use it."""
        self._deps = build()
        transport = httpx.ASGITransport(create_api(self._deps), raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://query")

    async def answer(self, asked: Asked) -> Answered:
        """Never raises for what the request holds: refusals are answers too."""
        url = httpx.URL("http://query").copy_with(raw_path=asked.target.encode())
        request = httpx.Request(asked.method, url, headers=asked.headers, content=asked.body)
        given = await self._client.send(request)
        return Answered(given.status_code, list(given.headers.items()), given.content)

    async def find(self, event_id: str) -> Committed | None:
        """What became of an event; None while nothing is known."""
        engine = self._deps.engine
        found = await to_thread(engine.query, FIND, [event_id], "compliance", Limits(rows=1))
        return next((Committed(**row) for row in found.table.to_pylist()), None)
