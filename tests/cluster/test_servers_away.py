"""A server is away: `status` says which, and what it knows all the same; nobody waits for it for long."""

from __future__ import annotations

import dataclasses
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cluster import places as places_module
from cluster import servers
from cluster.places import Places, Trino
from cluster.stack.stack import Stack
from tests.cluster.test_cli import beejan
from tests.places import on_servers


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address nobody listens at, nor can."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and never says a word, as a stopped process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def without_postgres(at: Places, address: str) -> Places:
    url = f"postgresql+psycopg://someone:a-password@{address}/control"
    return msgspec.structs.replace(at, control_url=url, catalog_url=url)


def without_store(at: Places, address: str) -> Places:
    store = dataclasses.replace(at.objects, endpoint=f"http://{address}", secret="a-password")
    return msgspec.structs.replace(at, objects=store)


def without_trino(at: Places, address: str) -> Places:
    assert at.trino is not None
    trino = Trino(f"https://{address}", at.trino.certificate, at.trino.users)
    return msgspec.structs.replace(at, trino=trino)


AWAY: dict[str, Callable[[Places, str], Places]] = {
    "postgres": without_postgres,
    "s3": without_store,
    "trino": without_trino,
}


@pytest.mark.parametrize("how", ["nobody", "silent"])
@pytest.mark.parametrize("name", AWAY)
def test_status_says_what_it_knows_and_which_server_is_away(
    stack: Stack, tmp_path: Path, name: str, how: str, request: pytest.FixtureRequest
) -> None:
    address: str = request.getfixturevalue(how)
    trino = Trino(stack.trino_address, str(stack.certificate), stack.users)
    there = msgspec.structs.replace(on_servers(stack), trino=trino)
    cluster = places_module.write(AWAY[name](there, address), tmp_path / "cluster.json")
    given = {"BEEJAN_PROFILE": "cluster", "BEEJAN_CLUSTER": str(cluster)}
    done = beejan(tmp_path / "home", "status", "--json", **given)
    assert done.returncode == 4
    told: dict[str, Any] = json.loads(done.stdout)
    states = {each["name"]: each for each in told["servers"]}
    assert {each: told["state"] for each, told in states.items()} == {
        each: "away" if each == name else "up" for each in AWAY
    }
    assert states[name]["address"] == address
    assert (told["profile"], told["home"]) == ("cluster", str(tmp_path / "home"))
    assert (told["doors"], told["actors"]) == ("down", [])
    if name == "trino":  # all else is known
        assert told["commit_seq"] == 0
    else:
        assert f"{name} at {address}" in told["error"]
        assert servers.HINT in told["error"]
        shown = beejan(tmp_path / "home", "status", **given)
        assert (shown.returncode, address in shown.stdout) == (4, True)
        event = beejan(tmp_path / "home", "event", "0" * 32, **given)
        assert (event.returncode, f"{name} at {address}" in event.stderr) == (4, True)
        done.stdout += shown.stdout + event.stderr
    assert "a-password" not in done.stdout + done.stderr
