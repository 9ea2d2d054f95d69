"""Nobody answers SQL: events are taken in, decided and committed all the same, and who asks hears so."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import msgspec

from cluster import places as places_module
from cluster import query_side
from cluster.checks import ledger_home, verify_home
from cluster.places import Trino
from cluster.settings import Settings
from cluster.stack.stack import Stack
from cluster.wiring import open_keys, open_stores
from serve_apps.addresses import QUERY
from serve_apps.query.api import create_api
from tests.homes import append, line, run, small
from tests.places import on_servers
from tests.serve_apps.client import Client


def asked(settings: Settings, token: str) -> httpx.Response:
    deps = query_side.build(settings)
    try:
        client = Client(create_api(deps), {"Authorization": f"Bearer {token}"})
        return client.request("POST", f"{QUERY}/sql", json={"sql": "SELECT * FROM events"})
    finally:
        deps.engine.close()


def test_events_go_on_and_a_question_is_refused(stack: Stack, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"https://localhost:{nobody.getsockname()[1]}"
        trino = Trino(address, str(stack.certificate), stack.users)
        cluster = tmp_path / "cluster.json"
        places_module.write(msgspec.structs.replace(on_servers(stack, is_empty=False), trino=trino), cluster)
        settings = small(tmp_path / "home", profile="cluster", cluster=cluster)
        token = open_keys(settings).create("a", (), "analyst").token
        append(settings, [line(1), line(2)])
        run(settings)
        answer = asked(settings, token)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    stores = open_stores(settings)
    assert ledger_home(stores).total["accepted"] == 2
    assert verify_home(stores).ok
