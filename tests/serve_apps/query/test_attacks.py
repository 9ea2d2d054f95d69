"""What must not get through: each attack is refused for its reason, or bounded, or gives nothing away."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.errors import BadInput, TooLarge, TooSlow
from serve_apps.query.engine.port import Limits, QueryEngine
from serve_apps.query.guard import SERVED, guard, marked
from serve_apps.query.roles import grants
from tests.serve_apps.query.conftest import Small

CASES = [
    (reason.removeprefix("-- "), sql)
    for block in (Path(__file__).parent / "attacks.sql").read_text().split("\n\n-- ")
    for reason, _, sql in [block.partition("\n")]
]
BY_ENGINES = ("does not fit the views", "failed on a value", "the query")
"""Reasons that only an engine can have; all others are the guard's."""
REFUSED = [(reason, sql) for reason, sql in CASES if reason not in ("harmless", "bounded")]
GUARDED = [(reason, sql) for reason, sql in REFUSED if reason not in BY_ENGINES]
THROUGH = [*(each for each in REFUSED if each not in GUARDED), *GUARDED[:: len(GUARDED) // 12]]
"""What each engine is asked, too: its own refusals, and about a dozen of the guard's."""
HARMLESS = [sql for reason, sql in CASES if reason == "harmless"]
LIMITS = Limits(rows=100, bytes=1 << 20, seconds=1.0)
CROSS = ", ".join(f"c{n} AS (SELECT a.* FROM c{n - 1} AS a, c{n - 1} AS b)" for n in range(1, 30))
LONG = {
    "casts inside each other": "SELECT " + "date (" * 22 + "'2026-01-01'" + ")" * 22,
    "subscripts behind each other": "SELECT secondary_l2" + "[1]" * 3_000 + " FROM events",
    "conditions behind each other": "SELECT 1" + " BETWEEN 1 AND 1" * 1_200,
    "conditions beside each other": "SELECT " + " AND ".join(["true"] * 1_900),
    "joins": "SELECT count(*) FROM events " + "JOIN events ON true " * 900,
    "queries joined together": "SELECT 1" + " UNION ALL SELECT 1" * 900,
    "names that double": f"WITH c0 AS (SELECT event_id FROM events), {CROSS} SELECT count(*) FROM c29",
    "a pattern that backtracks": "SELECT '" + "a" * 9_000 + "' LIKE '" + "%a" * 4_000 + "b'",
    "brackets": "SELECT " + "(" * 9_000,
    "negations": "SELECT " + "NOT " * 4_900 + "true",
    "too long": "SELECT '" + "x" * 30_000 + "'",
}


@pytest.mark.parametrize(("reason", "sql"), GUARDED, ids=[sql[:60] for _, sql in GUARDED])
def test_is_refused_by_the_guard(reason: str, sql: str) -> None:
    views = grants()["analyst"].views
    for guarding, schema, dialect in ((guard, "analyst", "duckdb"), (marked, SERVED, "trino")):
        with pytest.raises(BadInput) as refused:
            guarding(sql, (), views, schema, LIMITS.rows, dialect)
        assert reason in str(refused.value)


@pytest.mark.parametrize(("reason", "sql"), THROUGH, ids=[sql[:60] for _, sql in THROUGH])
def test_is_refused(small_lake: Small, reason: str, sql: str) -> None:
    statement = sql.replace("WAREHOUSE", small_lake.place.warehouse)
    with pytest.raises(BadInput) as refused:
        small_lake.engine.query(statement, (), "analyst", LIMITS._replace(seconds=20.0))
    assert reason in str(refused.value)


@pytest.mark.parametrize("sql", HARMLESS, ids=[sql[:60] for sql in HARMLESS])
def test_gives_nothing_away(engine: QueryEngine, sql: str) -> None:
    try:
        shown = str(engine.query(sql, (), "analyst", Limits()).table.to_pylist())
    except BadInput as refused:  # one engine can do what the other cannot
        shown = str(refused)
    assert "customer-" not in shown
    assert "account-" not in shown


@pytest.mark.parametrize("sql", [sql for reason, sql in CASES if reason == "bounded"])
def test_is_bounded(engine: QueryEngine, sql: str) -> None:
    bounded(engine, sql)


@pytest.mark.parametrize("sql", LONG.values(), ids=LONG)
def test_long_queries_are_bounded(engine: QueryEngine, sql: str) -> None:
    bounded(engine, sql)


def bounded(engine: QueryEngine, sql: str) -> None:
    """It gives an answer within the limits or ends with an error that says which one it met."""
    try:
        table = engine.query(sql, (), "analyst", LIMITS).table
    except (BadInput, TooLarge, TooSlow):
        table = engine.query("SELECT 1", (), "analyst", Limits()).table
    assert table.num_rows <= LIMITS.rows
    assert table.nbytes <= LIMITS.bytes
