"""Nobody answers SQL: events are taken in, decided and committed all the same, and who asks hears so."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import msgspec

from cluster import places as places_module
from cluster import query_side
from cluster.checks import ledger_home, verify_home
from cluster.places import Trino
from cluster.settings import Settings
from cluster.stack.stack import Stack
from cluster.wiring import open_keys, open_stores
from serve_apps.passing import Answered, Asked
from serve_apps.query.door import Door
from tests.homes import append, line, run, small
from tests.places import on_servers


async def asked(settings: Settings, token: str) -> Answered:
    deps = query_side.build(settings)
    door = Door(lambda: deps)
    try:
        headers = [("authorization", f"Bearer {token}"), ("content-type", "application/json")]
        return await door.answer(Asked("POST", "/v1/sql", headers, b'{"sql": "SELECT * FROM events"}'))
    finally:
        deps.engine.close()


def test_events_go_on_and_a_question_is_refused(stack: Stack, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"https://localhost:{nobody.getsockname()[1]}"
        trino = Trino(address, str(stack.certificate), stack.users)
        cluster = tmp_path / "cluster.json"
        places_module.write(msgspec.structs.replace(on_servers(stack), trino=trino), cluster)
        settings = small(tmp_path / "home", profile="cluster", cluster=cluster)
        token = open_keys(settings).create("a", (), "analyst").token
        append(settings, [line(1), line(2)])
        run(settings)
        answer = asyncio.run(asked(settings, token))
        assert (answer.status, b'"code":"unavailable"' in answer.body) == (503, True)
    stores = open_stores(settings)
    assert ledger_home(stores).total["accepted"] == 2
    assert verify_home(stores).ok
