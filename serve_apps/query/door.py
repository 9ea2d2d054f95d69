"""The query door as another replica uses it: a request in, the answer out, no socket between."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import httpx

from serve_apps.query.api import Deps, create_api


class Asked(NamedTuple):
    """An HTTP request; `target` is its path with the query string."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""


class Answered(NamedTuple):
    """What to send back for it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


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

    async def close(self) -> None:
        """Release what `build` opened."""
        await self._client.aclose()
        self._deps.engine.close()
