"""What is Trino's own: a server elsewhere, which may be gone, slow, or asked by somebody who went away."""

from __future__ import annotations

import asyncio
import secrets
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import httpx
import pyarrow as pa
import pytest
import requests
import uvicorn
from trino.exceptions import TrinoQueryError, TrinoUserError

from catalog.clock import SystemClock
from catalog.errors import BadInput, BeejanError, TooSlow, Unavailable
from catalog.tables import TABLES
from cluster.stack.stack import Stack
from serve_apps.query.access import OWNER
from serve_apps.query.api import create_api
from serve_apps.query.engine import connection, trino
from serve_apps.query.engine.connection import Address, Watched, opened
from serve_apps.query.engine.port import ROLES, Answer, Gone, Limits, QueryEngine, Role, Value, never
from serve_apps.query.engine.trino import Trino, rows
from tests.serve_apps.query.conftest import Small
from tests.serve_apps.query.engine.engines import address
from tests.serve_apps.query.test_api import client, deps

on_trino = pytest.mark.parametrize("small_lake", ["trino"], indirect=True)


class Slow(NamedTuple):
    """A query that never comes to an end, and is found in the server by a mark that no other has."""

    mark: str
    sql: str

    def states(self, stack: Stack, which: str) -> list[str]:
        """Its states in the server that are such."""
        found = f"SELECT state FROM system.runtime.queries WHERE query LIKE '%{self.mark}%' AND state {which}"
        with Watched(SystemClock(), 120.0, 1 << 20, never) as session:
            asking = opened(address(stack), OWNER, session)
            # This question holds the mark, too.
            told = rows(asking, f"{found} AND source = 'beejan' AND query NOT LIKE '%runtime%'")
        return [str(row[0]) for row in told]


@pytest.fixture
def slow() -> Slow:
    mark = f"nobody_waits_{secrets.token_hex(8)}"
    return Slow(mark, f"SELECT count(*) AS {mark} FROM " + ", ".join(f"events AS e{n}" for n in range(9)))


class Patient:
    """An engine whose limits end nothing, so that something else must."""

    def __init__(self, engine: QueryEngine) -> None:
        self._engine = engine

    def query(
        self, sql: str, params: Sequence[Value], role: Role, limits: Limits, gone: Gone = never
    ) -> Answer:
        return self._engine.query(sql, params, role, limits._replace(seconds=120.0), gone)

    def close(self) -> None: ...


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed() -> Iterator[int]:
    """A port nobody listens on, nor can."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        yield nobody.getsockname()[1]


@pytest.mark.parametrize("port", ["closed", "silent"])
def test_a_server_that_is_not_there_is_a_503_within_its_time(
    stack: Stack, port: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECT_S", 1.5)  # however patient other tests are
    there = address(stack)
    engine = Trino(
        Address("localhost", request.getfixturevalue(port), there.certificate, there.passwords),
        SystemClock(),
        processes=1,
    )
    try:
        answer = client(engine).get("/query/v1/ledger")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["code"] == "unavailable"
        # What needs no server goes on.
        assert client(engine).get("/query/v1/dictionary").status_code == 200
    finally:
        engine.close()


@pytest.fixture
def cold(closed: int) -> Iterator[Trino]:
    """An engine that has asked nothing yet."""
    engine = Trino(Address("localhost", closed, "", dict.fromkeys(ROLES, "")), SystemClock(), processes=1)
    yield engine
    engine.close()


class Server:
    """In place of Trino: it answers, fails, or takes too long, as the next of `does` says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *does: Exception | None) -> None:
        self._does = list(does)
        monkeypatch.setattr(trino, "rows", lambda *_: [[name, 1] for name in TABLES])
        monkeypatch.setattr(trino, "_table", self._answer)

    def _answer(self, *_: object) -> pa.Table:
        does = self._does.pop(0)
        if does is not None:
            raise does
        return pa.table({"x": [1]})


def query_error(name: str) -> TrinoQueryError:
    return TrinoQueryError({"errorName": name, "errorType": "INTERNAL_ERROR"})


@pytest.mark.parametrize("late", [TooSlow("ended here"), query_error("EXCEEDED_TIME_LIMIT")])
def test_a_server_that_just_started_is_slow_and_not_the_query(
    cold: Trino, late: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, starting = requests.ConnectionError(), query_error("SERVER_STARTING_UP")
    Server(monkeypatch, late, late, None, late, away, late, None, late, starting, late, None, late)
    found = []
    for _ in range(12):
        try:
            found.append(str(cold.query("SELECT 1 AS x", (), "analyst", Limits()).truncated))
        except BeejanError as error:
            found.append(error.code)
    on_the_way = ["unavailable", "False", "too_slow", "unavailable"]
    assert found == ["unavailable", *on_the_way, *on_the_way, *on_the_way[:3]]


@pytest.mark.parametrize("name", ["INVALID_VIEW", "VIEW_IS_STALE", "TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND"])
def test_a_view_that_cannot_be_read_is_not_the_callers_fault(name: str) -> None:
    """So a question ends while the lake's catalog dies: Trino says that its user is to blame."""
    told = connection.meant(TrinoUserError({"errorName": name, "errorType": "USER_ERROR"}))
    assert isinstance(told, Unavailable)
    other = connection.meant(TrinoUserError({"errorName": "COLUMN_NOT_FOUND", "errorType": "USER_ERROR"}))
    assert isinstance(other, BadInput)


def test_warming_asks_once_and_may_fail(cold: Trino, monkeypatch: pytest.MonkeyPatch) -> None:
    Server(monkeypatch, requests.ConnectionError(), None, TooSlow("ended here"))
    cold.warm()
    cold.warm()
    with pytest.raises(TooSlow):
        cold.query("SELECT 1 AS x", (), "analyst", Limits())


def test_a_wrong_password_or_certificate_says_no_more_than_unavailable(stack: Stack, tmp_path: Path) -> None:
    there = address(stack)
    wrong = Address(there.host, there.port, there.certificate, {**there.passwords, "analyst": "not-this-one"})
    other = Address(there.host, there.port, ssl.get_default_verify_paths().openssl_cafile, there.passwords)
    for each in (wrong, other):
        engine = Trino(each, SystemClock(), processes=1)
        with pytest.raises(Unavailable) as refused:
            engine.query("SELECT 1 AS x", (), "analyst", Limits())
        assert "not-this-one" not in str(refused.value) + repr(each)
        engine.close()


@on_trino
def test_a_query_whose_caller_left_is_cancelled(stack: Stack, small_lake: Small, slow: Slow) -> None:
    left = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        limits = Limits(seconds=120.0)
        asking = pool.submit(small_lake.engine.query, slow.sql, (), "analyst", limits, left.is_set)
        while not slow.states(stack, "= 'RUNNING'"):
            assert not asking.done()
        left.set()
        with pytest.raises(Unavailable):
            asking.result()
    while slow.states(stack, "NOT IN ('FINISHED', 'FAILED')"):
        pass


@on_trino
def test_a_caller_who_hangs_up_ends_the_query_in_the_server(
    stack: Stack, small_lake: Small, slow: Slow
) -> None:
    app = create_api(deps(Patient(small_lake.engine)))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))

    async def hang_up() -> None:
        serving = asyncio.ensure_future(server.serve())
        while not server.started:
            await asyncio.sleep(0)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120) as caller:
            sent = caller.post(
                "/query/v1/sql", json={"sql": slow.sql}, headers={"Authorization": "Bearer key-a"}
            )
            asking = asyncio.ensure_future(sent)
            while not await asyncio.to_thread(slow.states, stack, "= 'RUNNING'"):
                assert not asking.done()
            asking.cancel()
        while await asyncio.to_thread(slow.states, stack, "NOT IN ('FINISHED', 'FAILED')"):
            pass
        server.should_exit = True
        await serving

    asyncio.run(hang_up())
    assert slow.states(stack, "= 'FAILED'") == ["FAILED"]


@pytest.mark.parametrize("head", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_an_answer_that_breaks_off_is_a_failure_of_the_server(head: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        breaking = pool.submit(break_off, server, f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\nhalf")
        with pytest.raises(trino.FAILURES), Watched(SystemClock(), 30.0, 1 << 20, never) as session:
            session.get(f"http://127.0.0.1:{server.getsockname()[1]}/")
        breaking.result()


def break_off(server: socket.socket, said: str) -> None:
    """Say so much to the next caller, and no more."""
    connection, _ = server.accept()
    with connection:
        connection.recv(1 << 16)
        connection.sendall(said.encode())
