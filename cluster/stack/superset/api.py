"""A client of Superset's API, as one of its accounts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from catalog.errors import Unavailable
from cluster.stack.superset.server import Superset

SECONDS = 120.0


class Api:
    """Superset's answers to one account; made by `entered`."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def answer(self, method: str, path: str, **given: Any) -> httpx.Response:
        """Whatever it answers. Raises Unavailable when it does not."""
        try:
            return self._client.request(method, f"/api/v1/{path}", **given)
        except httpx.HTTPError as error:
            kind = type(error).__name__
            raise Unavailable("Superset does not answer", hint="its log says why", kind=kind) from None

    def ask(self, method: str, path: str, **given: Any) -> Any:
        """The JSON of an answer. Raises Unavailable, with the status, for one that is not a success."""
        answer = self.answer(method, path, **given)
        if not answer.is_success:
            hint = "the account may not do this, or its log says why"
            raise Unavailable("Superset refuses", hint=hint, path=path, status=answer.status_code)
        return answer.json()

    def give(self, bundle: bytes, passwords: dict[str, str]) -> None:
        """Import assets over those that are there; passwords by the file of the connection they are for."""
        files = {"bundle": ("assets.zip", bundle, "application/zip")}
        self.ask("POST", "assets/import/", files=files, data={"passwords": json.dumps(passwords)})


@contextmanager
def entered(given: Superset, account: str) -> Iterator[Api]:
    """Superset as one of its accounts. Raises Unavailable, as `ask` does."""
    # A kept connection may be closed by its server just as it is used again.
    limits = httpx.Limits(max_keepalive_connections=0)
    # Superset answers a write only to who sends its token along, and has the cookie that it came with.
    with httpx.Client(base_url=given.address, timeout=SECONDS, trust_env=False, limits=limits) as client:
        api = Api(client)
        login = {"username": account, "password": given.accounts[account], "provider": "db", "refresh": False}
        token = api.ask("POST", "security/login", json=login)["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        client.headers["X-CSRFToken"] = api.ask("GET", "security/csrf_token/")["result"]
        client.headers["Referer"] = given.address
        yield api
