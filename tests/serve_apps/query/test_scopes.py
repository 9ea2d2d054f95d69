"""Addresses are the same however the application is mounted, and headers are ASCII."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from catalog.errors import Busy
from serve_apps.addresses import QUERY, QUERY_DESCRIPTION
from serve_apps.query.api import ROUTES, create_api
from tests.serve_apps.query.test_api import Canned, deps


def call(path: str, root: str = "", headers: list[tuple[bytes, bytes]] | None = None) -> tuple[int, Any]:
    """GET as a server that mounts the application at `root` asks: status and JSON."""
    app = create_api(deps(Canned(Busy("never asked"))))
    scope = {
        **{"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "query_string": b""},
        **{"path": path, "raw_path": path.encode(), "root_path": root, "headers": headers or []},
    }
    sent: list[Any] = []

    async def ask() -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, receive, send)

    asyncio.run(ask())
    assert dict(sent[0]["headers"])[b"content-type"].startswith(
        (b"application/json", b"application/problem+json")
    )
    return sent[0]["status"], msgspec.json.decode(b"".join(each.get("body", b"") for each in sent[1:]))


@pytest.mark.parametrize(
    ("path", "root"),
    [
        (QUERY_DESCRIPTION, ""),
        (QUERY_DESCRIPTION, "/query"),
        ("/v1/openapi.json", "/query"),
        ("/openapi.json", QUERY),
    ],
)
def test_addresses_are_whole_however_it_is_mounted(path: str, root: str) -> None:
    status, described = call(path, root)
    assert status == 200
    assert set(described["paths"]) == set(ROUTES)
    assert "servers" not in described
    assert call(path.replace("openapi.json", "ledger"), root)[1]["code"] == "key_unknown"


@pytest.mark.parametrize(("path", "root"), [("/query", "/query"), ("/queryv1/ledger", "/query"), ("/", "")])
def test_what_is_no_address_is_a_problem(path: str, root: str) -> None:
    assert call(path, root)[1]["code"] == "not_found"


@pytest.mark.parametrize("path", [*ROUTES, QUERY_DESCRIPTION, "/query/v1/nowhere"])
@pytest.mark.parametrize(
    "header",
    [
        (b"x-city", "São Paulo".encode()),
        (b"authorization", b"Bearer \xff"),
        (b"accept", b"\x80"),
        (b"\xe9", b"1"),
    ],
)
def test_a_header_that_is_not_ascii_is_refused(path: str, header: tuple[bytes, bytes]) -> None:
    status, said = call(path, headers=[header])
    assert (status, said["code"]) == (400, "header_invalid")


def test_a_key_is_taken_as_a_basic_password() -> None:
    for user, status in (("", 200), ("console", 200), ("a:b", 401)):
        given = httpx.BasicAuth(user, "key-a")._auth_header.encode()
        assert call(f"{QUERY}/dictionary", headers=[(b"authorization", given)])[0] == status
