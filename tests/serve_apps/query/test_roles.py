"""Every role, view and column on every engine: what `roles.toml` says, no more and no less."""

from __future__ import annotations

import pytest

from catalog.errors import BadInput
from serve_apps.query.engine.port import ROLES, Limits, QueryEngine, Role
from serve_apps.query.roles import emptied, grants, seeing
from serve_apps.query.views import version, views

PERSONAL = ("customer_key", "account_key")
EVERY = [(role, view) for role in ROLES for view in views()]


@pytest.mark.parametrize(("role", "view"), EVERY)
def test_a_role_sees_what_it_is_granted(engine: QueryEngine, role: Role, view: str) -> None:
    grant = grants()[role]
    if view not in grant.views:
        with pytest.raises(BadInput, match="no such view"):
            engine.query(f"SELECT 1 AS x FROM {view}", (), role, Limits())
        return
    own = engine.query(f"SELECT * FROM {view}", (), role, Limits()).table
    whole = engine.query(
        f"SELECT * FROM {view} WHERE {grant.rows.get(view, 'true')}", (), "compliance", Limits()
    )
    assert own.num_rows == whole.table.num_rows
    assert own.column_names == [column.name for column in grant.columns(views()[view])]
    for name in own.column_names:
        shown = own.column(name).null_count == whole.table.column(name).null_count
        assert shown or (name in grant.masked and own.column(name).null_count == own.num_rows)


@pytest.mark.parametrize(("role", "view"), EVERY)
def test_a_hidden_column_is_not_there_in_any_place(engine: QueryEngine, role: Role, view: str) -> None:
    grant = grants()[role]
    for name in grant.hidden & {column.name for column in views()[view].columns}:
        for sql in (
            f"SELECT {name} FROM {view}",
            f"SELECT count(*) AS n FROM {view} WHERE {name} IS NOT NULL",
            f"SELECT count(*) AS n FROM {view} GROUP BY {name}",
            f"SELECT 1 AS x FROM {view} ORDER BY {name}",
        ):
            with pytest.raises(BadInput):
                engine.query(sql, (), role, Limits())


def test_rows_a_role_may_not_see_are_not_even_counted(engine: QueryEngine) -> None:
    sql = "SELECT count(*) AS n, count_if(l1 <> 'billing') AS others FROM events"
    assert engine.query(sql, (), "finance", Limits()).table.to_pylist() == [{"n": 1, "others": 0}]
    keys = engine.query("SELECT account_key AS k FROM complaints", (), "finance", Limits()).table
    assert keys.to_pylist() == [{"k": "account-4"}]


def test_somebody_sees_the_keys_and_somebody_does_not() -> None:
    seeing = {role for role, grant in grants().items() if not {*PERSONAL} & (grant.masked | grant.hidden)}
    assert seeing == {"compliance"}


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT count(DISTINCT c.customer_key) AS n FROM complaints AS c", ["customer_key"]),
        ('SELECT 1 AS x FROM events WHERE "Account_Key" IS NULL GROUP BY CUSTOMER_KEY', [*sorted(PERSONAL)]),
        ("SELECT 'customer_key' AS x FROM events -- account_key", []),
        ("SELECT channel FROM events", []),
        ("SELECT 'never closed", []),
    ],
)
def test_a_query_that_names_what_is_empty_for_the_role_is_noticed(sql: str, columns: list[str]) -> None:
    assert emptied(sql, "analyst") == columns
    assert emptied(sql, "compliance") == []
    assert "compliance" in seeing(columns)
    assert ("analyst" in seeing(columns)) is not bool(columns)


def test_an_older_version_served_again_shows_finance_no_place_in_the_log() -> None:
    older = {column.name for column in grants()["finance"].columns(version("events", 2))}
    assert not older & {"segment", "segment_offset"}
