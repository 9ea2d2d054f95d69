"""Opening the lake, and the settings that the commit relies on."""

from __future__ import annotations

import sqlite3
import threading
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.table import Table, TableProperties

from catalog import sql
from catalog.errors import UnsafeStore, WrongVersion
from catalog.lake import read, selftest
from catalog.lake.commit import Lake
from catalog.lake.folder import Folder
from catalog.lake.store import SPEC_VERSION, LakePlace
from catalog.tables import ARROW_TYPES, EVENTS, LEDGER, TABLES, Column, TableSpec
from tests.catalog.lake.conftest import ON_FILES, put


def test_tables_have_their_columns_by_position(lake: Lake) -> None:
    for spec in TABLES.values():
        loaded = lake.store.load(spec.name)
        fields = loaded.schema().fields
        assert [(f.field_id, f.name, f.required, f.doc) for f in fields] == [
            (position, c.name, c.required, c.meaning) for position, c in enumerate(spec.columns, start=1)
        ]
        assert tuple(f.name for f in loaded.spec().fields) == spec.partition_by


def test_every_type_comes_back_as_it_was_given(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "string": "a",
        "long": 1,
        "double": 0.5,
        "boolean": True,
        "date": date(2026, 1, 2),
        "timestamptz": datetime(2026, 1, 2, tzinfo=UTC),
        "binary": b"\x00",
        "list<long>": [1, 2],
        "list<string>": ["a", "b"],
    }
    assert list(values) == list(ARROW_TYPES)
    columns = tuple(Column(f"a {kind}", kind, False, "any") for kind in ARROW_TYPES)
    order = tuple(Column(name, "long", True, "its place") for name in ("plan", "offset"))
    spec = TableSpec("ops.types", (*order, *columns), (), 1)
    monkeypatch.setitem(TABLES, spec.name, spec)
    lake.store.ensure(spec)
    given = {f"a {kind}": value for kind, value in values.items()}
    rows = pa.Table.from_pylist(
        [{"plan": 1, "offset": 0, **given}, {"plan": 1, "offset": 1}], schema=spec.arrow_schema
    )
    lake.commit(spec.name, 1, rows, "", "c1", {})
    assert read.rows(lake, spec.name, 1, 1) == rows


@ON_FILES
def test_the_catalog_is_in_wal_mode_and_fully_synced(lake: Lake, home: Path) -> None:
    assert sqlite3.connect(home / "catalog.db").execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with lake.store._catalog.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == sql.BUSY_MS


@ON_FILES
def test_a_reader_with_an_open_select_does_not_refuse_the_commit(
    lake: Lake, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "BUSY_MS", 50)
    reader = sqlite3.connect(home / "catalog.db")
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM iceberg_tables").fetchone() == (len(TABLES),)
    put(lake, 1)
    assert lake.head(EVENTS.name).commit_seq == 1
    reader.close()


def test_opening_twice_at_once_creates_everything_once(place: LakePlace) -> None:
    start, failures = threading.Barrier(4), []

    def open_lake() -> None:
        start.wait()
        try:
            Lake(place).close()
        except Exception as error:  # noqa: BLE001 reported below
            failures.append(error)

    threads = [threading.Thread(target=open_lake) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert Lake(place).head(LEDGER.name).commit_seq == 0


def test_a_table_of_another_version_is_refused(lake: Lake, place: LakePlace) -> None:
    lake.store.load(EVENTS.name).transaction().set_properties({SPEC_VERSION: "99"}).commit_transaction()
    with pytest.raises(WrongVersion, match="another version"):
        Lake(place)


def test_stock_file_io_is_refused(lake: Lake, place: LakePlace) -> None:
    stock = {"py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO"}
    lake.store.load(EVENTS.name).transaction().set_properties(stock).commit_transaction()
    with pytest.raises(UnsafeStore, match="not synced"):
        lake.head(EVENTS.name)
    with pytest.raises(UnsafeStore, match="not synced"):
        Lake(place)


def test_a_stored_retry_property_does_not_bring_retries_back(lake: Lake) -> None:
    stored = {TableProperties.COMMIT_NUM_RETRIES: "4"}
    lake.store.load(EVENTS.name).transaction().set_properties(stored).commit_transaction()
    assert lake.store.load(EVENTS.name).properties[TableProperties.COMMIT_NUM_RETRIES] == "0"
    assert TableProperties.COMMIT_NUM_RETRIES_DEFAULT == 0


def test_the_self_test_passes_and_leaves_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Table] = []
    drop = lake.store.drop
    monkeypatch.setattr(lake.store, "drop", lambda name: (made.append(lake.store.load(name)), drop(name)))
    lake.self_test(0)
    assert list(Folder(made[0]).listed()) == []
    left = {".".join(each) for each in lake.store._catalog.list_tables("ops")}
    assert left == {name for name in TABLES if name.startswith("ops.")}


def test_the_self_test_removes_what_a_killed_one_left_and_no_living_one(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(selftest, "_remove", lambda *_: None)
        lake.self_test(0)
    (name,) = lake.store.named(selftest.PREFIX)
    left = lake.store.load(name)
    lake.self_test(left.metadata.last_updated_ms * 1000 + selftest.LEFT_US)
    assert lake.store.named(selftest.PREFIX) == [name]
    lake.self_test(left.metadata.last_updated_ms * 1000 + selftest.LEFT_US + 1)
    assert lake.store.named(selftest.PREFIX) == list(Folder(left).listed()) == []


def test_what_a_killed_self_test_left_stops_no_start_when_its_files_are_gone(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(selftest, "_remove", lambda *_: None)
        lake.self_test(0)
    (name,) = lake.store.named(selftest.PREFIX)
    Folder(lake.store.load(name)).remove()
    lake.self_test(0)
    assert lake.store.named(selftest.PREFIX) == []


def test_the_self_test_notices_retries(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    load = lake.store._catalog.load_table
    monkeypatch.setattr(lake.store, "load", load)
    monkeypatch.setattr(TableProperties, "COMMIT_NUM_RETRIES_DEFAULT", 1)
    with pytest.raises(UnsafeStore, match="stale commit"):
        lake.self_test(0)


def test_an_empty_home_has_empty_tables(lake: Lake) -> None:
    assert lake.head(EVENTS.name) == (0, "", {}, {})
    assert lake.store.load(EVENTS.name).scan().to_arrow().cast(EVENTS.arrow_schema) == pa.table(
        EVENTS.arrow_schema.empty_table()
    )
