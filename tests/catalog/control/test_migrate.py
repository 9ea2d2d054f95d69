"""The control database's tables come from its revisions, which can be walked up and down."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from catalog import sql
from catalog.control import schema
from catalog.control.migrate import migrate, revisions
from catalog.control.plans import GENESIS, Plan, PlanStore, Range
from catalog.control.schema import open_control
from catalog.errors import BadInput, WrongVersion

PLAN = Plan(1, "log", "b", "0", 1, (Range("seg-a", 80, 200, 3),), {"sms": 3}).chained(GENESIS)


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def as_the_first_version_left_it(url: str, number: int | None = 1) -> Engine:
    """Its tables and its count of versions, and a plan in it."""
    engine = sql.engine(url)
    with engine.begin() as connection:
        newer = (schema.leases, schema.original_reads)
        old = [table for table in schema.metadata.sorted_tables if table not in newer]
        schema.metadata.create_all(connection, tables=old)
        connection.execute(text("CREATE TABLE schema_version (version INTEGER PRIMARY KEY)"))
        if number is not None:
            connection.execute(text(f"INSERT INTO schema_version VALUES ({number})"))
    PlanStore(engine).insert(PLAN)
    return engine


def test_the_revisions_make_the_tables_that_the_code_knows(control_url: str) -> None:
    with open_control(control_url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    assert revisions()[-1] == schema.REVISION
    assert revisions()[0] == schema.FIRST


def test_down_and_up_again_keeps_what_both_have(control_url: str) -> None:
    engine = open_control(control_url)
    PlanStore(engine).insert(PLAN)
    there = tables(engine)
    assert migrate(engine, "0001") == (schema.REVISION, "0001")
    assert there - tables(engine) == {"leases", "original_reads"}
    assert PlanStore(engine).after(0, 9) == [PLAN]
    assert migrate(engine) == ("0001", schema.REVISION)
    assert migrate(engine) == (schema.REVISION, schema.REVISION)
    assert tables(engine) == there
    assert PlanStore(open_control(control_url)).after(0, 9) == [PLAN]


def test_an_older_revision_is_refused_until_it_is_migrated(control_url: str) -> None:
    migrate(open_control(control_url), "0001")
    with pytest.raises(WrongVersion, match="beejan migrate"):
        open_control(control_url)


@pytest.mark.parametrize("number", [1, None])
def test_what_the_first_version_left_is_adopted(control_url: str, number: int | None) -> None:
    engine = as_the_first_version_left_it(control_url, number)
    with pytest.raises(WrongVersion, match="beejan migrate"):
        open_control(control_url)
    assert migrate(engine) == ("0001", schema.REVISION)
    assert "schema_version" not in tables(engine)
    assert PlanStore(open_control(control_url)).after(0, 9) == [PLAN]


@pytest.mark.parametrize("is_old", [True, False])
def test_a_newer_one_is_refused_and_left_alone(control_url: str, is_old: bool) -> None:
    if is_old:
        engine = as_the_first_version_left_it(control_url, 99)
    else:
        engine = open_control(control_url)
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    there = tables(engine)
    for do in (lambda: open_control(control_url), lambda: migrate(engine)):
        with pytest.raises(WrongVersion, match="the version that wrote it"):
            do()
    assert tables(engine) == there


def test_a_revision_there_is_not_changes_nothing(control_url: str) -> None:
    engine = open_control(control_url)
    for wrong in ("base", "head", "9", "-1"):
        with pytest.raises(BadInput, match="no such revision"):
            migrate(engine, wrong)
    open_control(control_url)


def test_what_fails_halfway_leaves_nothing(control_url: str) -> None:
    """SQLite's driver alone would keep the tables made before the failure."""
    engine = sql.engine(control_url)

    def half() -> None:
        with sql.exclusive(engine) as connection:
            connection.execute(text("CREATE TABLE half (n INTEGER)"))
            connection.execute(text("no statement"))

    with pytest.raises(DBAPIError):
        half()
    assert tables(engine) == set()


def test_several_open_one_new_database_at_once(control_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The last one waits for all the others, as long as a slow machine may take.
    for name in ("lock_timeout", "statement_timeout"):
        monkeypatch.setitem(sql.SESSION_MS, name, 600_000)
    monkeypatch.setattr(sql, "BUSY_MS", 600_000)
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(open_control, [control_url] * 6))
    assert all("plans" in tables(each) for each in opened)
    with opened[0].connect() as connection:
        assert schema.revision(connection) == schema.REVISION
