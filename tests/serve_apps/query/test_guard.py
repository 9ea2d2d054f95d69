import pytest

from catalog.errors import BadInput
from serve_apps.query.engine.port import Value
from serve_apps.query.guard import Guarded, guard, marked


def guarded(sql: str, *params: Value, rows: int = 10) -> Guarded:
    return guard(sql, params, ("events", "complaints"), "analyst", rows, "duckdb")


@pytest.mark.parametrize(
    ("sql", "written"),
    [
        ("SELECT l1 FROM Events", 'SELECT "l1" FROM "analyst"."events" AS "Events" LIMIT 11'),
        ("SELECT e.l1 FROM served.events e", 'SELECT "e"."l1" FROM "analyst"."events" AS "e" LIMIT 11'),
        ("SELECT 1 /* x */ LIMIT 3 -- y", "SELECT 1 LIMIT 3"),
        ("SELECT 1 LIMIT 300", "SELECT 1 LIMIT 11"),
        (
            "WITH x AS (SELECT l1 FROM events) SELECT x.l1 FROM x",
            'WITH "cte_x" AS (SELECT "l1" FROM "analyst"."events" AS "events") '
            'SELECT "x"."l1" FROM "cte_x" AS "x" LIMIT 11',
        ),
        (
            "SELECT 1 FROM (WITH sqlite_master AS (SELECT 1) SELECT 1 FROM sqlite_master), sqlite_master",
            'SELECT 1 FROM (WITH "cte_sqlite_master" AS (SELECT 1) SELECT 1 FROM "cte_sqlite_master" '
            'AS "sqlite_master"), "cte_sqlite_master" AS "sqlite_master" LIMIT 11',
        ),
    ],
)
def test_writes_the_query_anew(sql: str, written: str) -> None:
    assert guarded(sql).sql == written


def test_says_which_views_are_read() -> None:
    sql = "WITH x AS (SELECT * FROM events) SELECT * FROM x WHERE EXISTS (SELECT 1 FROM complaints)"
    assert guarded(sql).views == {"events", "complaints"}
    assert guarded("SELECT 1").views == frozenset()


@pytest.mark.parametrize(
    ("value", "written"),
    [("o'x", "'o''x'"), ("\\'; --", "'\\''; --'"), (-2, "-2"), (1.5, "1.5"), (True, "TRUE"), (None, "NULL")],
)
def test_parameters_become_literals(value: Value, written: str) -> None:
    assert guarded("SELECT ?", value).sql == f"SELECT {written} LIMIT 11"


@pytest.mark.parametrize("value", ["\0", "\0000", float("nan"), float("inf")])
def test_parameters_that_cannot_be_written_are_refused(value: Value) -> None:
    with pytest.raises(BadInput, match="a parameter"):
        guarded("SELECT ?", value)


@pytest.mark.parametrize("sql", ["SELECT '\0000'", "SELECT ? \0", "SELECT date_trunc(?, l1) FROM events"])
def test_a_mark_cannot_be_forged_or_lost(sql: str) -> None:
    with pytest.raises(BadInput):
        guarded(sql, "x")


def test_an_engine_with_parameters_gets_them_apart_and_in_the_order_of_its_text() -> None:
    sql = (
        "WITH c AS (SELECT ? AS a FROM events WHERE l1 = ? LIMIT ?) "
        "SELECT a, ? AS b, 'o''x?' AS c FROM c OFFSET ? LIMIT 5"
    )
    given = ("o'x", "'; --", 3, -2, 4)
    found = marked(sql, given, ("events",), "served", 10, "trino")
    assert found.sql == (
        'WITH "cte_c" AS (SELECT ? AS "a" FROM "served"."events" AS "events" WHERE "l1" = ? LIMIT ?) '
        'SELECT "a", ? AS "b", \'o\'\'x?\' AS "c" FROM "cte_c" AS "c" OFFSET ? LIMIT 5'
    )
    assert found.params == list(given)


def test_the_outermost_limit_is_a_number_of_ours() -> None:
    found = marked("SELECT l1 FROM events LIMIT ?", (300,), ("events",), "served", 10, "trino")
    assert (found.sql, found.params) == ('SELECT "l1" FROM "served"."events" AS "events" LIMIT 11', [])
