"""HTTP against an app in this process, without a server."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI


class Client:
    """Requests one after another, each waited for; `headers` go with all of them."""

    def __init__(self, app: FastAPI, headers: dict[str, str] | None = None) -> None:
        self._app, self._headers = app, headers

    def request(self, method: str, path: str, **given: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://door", headers=self._headers
            ) as client:
                return await client.request(method, path, **given)

        return asyncio.run(send())

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.request("GET", path, **given)
