"""What is DuckDB's own: its processes, and what they are not able to do."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from catalog.clock import SystemClock
from catalog.errors import Busy, Unavailable
from catalog.lake.commit import Lake
from catalog.lake.read import Snapshot
from catalog.lake.store import local
from catalog.tables import EVENTS
from serve_apps.query.engine.duckdb import DuckDb
from serve_apps.query.engine.port import Limits
from tests.serve_apps.query.engine.engines import duckdb
from tests.serve_apps.query.lakes import commit, event, small

WITHOUT_GUARD = """
import json, sys
from serve_apps.query.engine.child import prepare
from serve_apps.query.engine.wire import Setup, confine

connection = prepare(Setup(sys.argv[1], 64 << 20, []))
confine(64 << 20)
said = []
for statement in json.load(sys.stdin):
    try:
        said.append(str(connection.execute(statement).fetchall()))
    except Exception as error:
        said.append(type(error).__name__)
print(json.dumps(said))
"""


def test_without_the_guard_the_process_is_still_locked(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside.csv", tmp_path / "inside"
    inside.mkdir()
    outside.write_text("secret\n1\n")
    (inside / "own.csv").write_text("known\n1\n")
    tried = {
        f"SELECT * FROM read_csv('{outside}')": "PermissionException",
        f"SELECT * FROM '{outside}'": "PermissionException",
        f"SELECT * FROM read_csv('{inside}/../outside.csv')": "PermissionException",
        f"COPY (SELECT 1) TO '{tmp_path}/written.csv'": "PermissionException",
        f"COPY (SELECT 1) TO '{inside}/written.csv'": "IOException",
        f"ATTACH '{tmp_path}/other.db'": "PermissionException",
        "INSTALL httpfs": "PermissionException",
        "SET memory_limit = '100GB'": "InvalidInputException",
        "SET enable_external_access = true": "InvalidInputException",
        "SELECT getenv('PATH')": "CatalogException",
        "SELECT length(repeat('x', 1000000000))": "OutOfMemoryException",
        f"SELECT * FROM read_csv('{inside}/own.csv')": "[(1,)]",
    }
    given = subprocess.run(
        [sys.executable, "-c", WITHOUT_GUARD, str(inside)],
        input=json.dumps(list(tried)).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    assert dict(zip(tried, json.loads(given.stdout), strict=True)) == tried
    assert not (tmp_path / "written.csv").exists()


@pytest.fixture
def one(tmp_path: Path) -> Iterator[DuckDb]:
    small(local(tmp_path)).close()
    engine = DuckDb(Lake(local(tmp_path)), SystemClock(), memory_bytes=64 << 20, processes=1, wait_s=0.1)
    yield engine
    engine.close()


def test_one_more_than_can_be_answered_is_told_so(one: DuckDb, monkeypatch: pytest.MonkeyPatch) -> None:
    at_work, may_end, snapshots = threading.Event(), threading.Event(), one._snapshots

    def held() -> dict[str, Snapshot]:
        if not at_work.is_set():  # the first one only
            at_work.set()
            may_end.wait()
        return snapshots()

    monkeypatch.setattr(one, "_snapshots", held)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(one.query, "SELECT 1 AS n", (), "analyst", Limits())
        try:
            at_work.wait()
            with pytest.raises(Busy):
                one.query("SELECT 1", (), "analyst", Limits())
        finally:
            may_end.set()
        assert first.result().table.num_rows == 1


def test_a_process_that_died_is_replaced(one: DuckDb) -> None:
    for _ in range(2):
        assert one.query("SELECT count(*) AS n FROM events", (), "analyst", Limits()).table.num_rows == 1
        child = one._pool._free.queue[0]._child
        child.kill()
        child.wait()


def test_a_column_that_a_table_lacks_is_null(tmp_path: Path) -> None:
    lake = Lake(local(tmp_path))
    commit(lake, EVENTS, [event(1)])
    with lake.store.load(EVENTS.name).update_schema() as change:
        change.delete_column("operator")
    lake.close()
    engine = duckdb(local(tmp_path))
    answer = engine.query("SELECT operator FROM events", (), "analyst", Limits())
    assert answer.table.to_pylist() == [{"operator": None}]
    engine.close()


def test_a_process_that_cannot_be_replaced_is_tried_again(
    one: DuckDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, "no more processes")

    child = one._pool._free.queue[0]._child
    child.kill()
    child.wait()
    with monkeypatch.context() as short:
        short.setattr(subprocess, "Popen", refused)
        for _ in range(2):
            with pytest.raises(Unavailable):
                one.query("SELECT 1 AS n", (), "analyst", Limits())
    assert one.query("SELECT 1 AS n", (), "analyst", Limits()).table.num_rows == 1
