"""What every engine does, whichever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from catalog.errors import BadInput, TooLarge, TooSlow
from catalog.lake.commit import Lake
from catalog.lake.store import local
from catalog.tables import EVENTS
from serve_apps.query.engine.port import ROLES, Limits, QueryEngine, Role
from serve_apps.query.views import hidden, type_name, views
from tests.serve_apps.query.engine.engines import ENGINES
from tests.serve_apps.query.lakes import commit, derive, event

FEW = Limits(rows=5)
MANY = ", ".join(f"events AS {name}" for name in "abcdefgh")
Open = Callable[[Path], QueryEngine]


@pytest.fixture(params=ENGINES)
def opened(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens the engine over a home of the test's own, and closes it."""
    engines: list[QueryEngine] = []

    def make(home: Path) -> QueryEngine:
        engines.append(ENGINES[request.param](home))
        return engines[-1]

    yield make
    for each in engines:
        each.close()


def ask(engine: QueryEngine, sql: str, *params: Any, role: Role = "analyst") -> list[dict[str, Any]]:
    return list(engine.query(sql, params, role, Limits()).table.to_pylist())


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("view", views())
def test_gives_each_view_as_its_contract_says(engine: QueryEngine, view: str, role: Role) -> None:
    table = engine.query(f"SELECT * FROM {view}", (), role, Limits()).table
    assert table.num_rows
    promised = [(column.name, column.type) for column in views()[view].columns]
    assert [(each.name, type_name(each.type)) for each in table.schema] == promised
    for column in {"customer_key", "account_key"} & set(table.column_names):
        assert (table.column(column).null_count == table.num_rows) == (column in hidden(role))


def test_reads_instants_in_utc_and_lists_as_lists(engine: QueryEngine) -> None:
    hour, minute = datetime(2026, 1, 2, 12, tzinfo=UTC), datetime(2026, 1, 2, 12, 7, tzinfo=UTC)
    sql = "SELECT event_time AS t, date_trunc('hour', event_time) AS h, secondary_l2 AS l FROM events"
    assert ask(engine, sql + " WHERE segment_offset = 7") == [{"t": minute, "h": hour, "l": ["speed"]}]


# One line for each way of asking that an analyst relies on: an expression over `events`, and its value.
EXPRESSIONS: dict[str, Any] = {
    "5 / 2": 2,
    "5.0 / 2": 2.5,
    "sum(segment_offset)": 190,
    "avg(segment_offset)": 9.5,
    "count_if(is_complaint)": 18,
    "count(DISTINCT region)": 2,
    "count(*) FILTER (WHERE region = 'Kano')": 1,
    "approx_percentile(confidence, 0.5)": 0.75,
    "max_by(segment_offset, event_time)": 19,
    "bool_or(is_complaint)": True,
    "listagg(DISTINCT channel, '+') WITHIN GROUP (ORDER BY channel)": "sms+social",
    "cardinality(array_agg(event_id))": 20,
    "max(contains(secondary_l2, 'speed'))": True,
    "max(json_extract_scalar(evidence, '$[0].rule'))": "no_network",
    "max(date_trunc('hour', event_time))": datetime(2026, 1, 2, 12, tzinfo=UTC),
    "max(date_diff('day', event_date, date '2026-02-01'))": 30,
    "max(extract(hour FROM event_time))": 12,
    "max(day_of_week(event_date))": 5,
    "max(date_format(event_time, '%Y-%m-%d %H:%i'))": "2026-01-02 12:19",
    "max(event_time AT TIME ZONE 'Africa/Lagos' < event_time)": False,
    "lower('Ab') || upper('c')": "abC",
    "substr('abcdef', 2, 3)": "bcd",
    "split_part('a,b,c', ',', 2)": "b",
    "strpos('abc', 'c')": 3,
    "regexp_like('no network', '(?i)NETWORK')": True,
    "regexp_extract('paid N500 twice', 'N([0-9]+)', 1)": "500",
    "regexp_replace('a1b22', '[0-9]+', '#')": "a#b#",
    "try_cast('x' AS bigint)": None,
    "if(1 > 2, 'a', coalesce(NULL, 'b'))": "b",
    "mod(7, 3) + greatest(1, 3, 2)": 4,
    "NULL IS DISTINCT FROM 1": True,
}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_computes_as_trino_does(engine: QueryEngine, expression: str) -> None:
    answer = engine.query(f"SELECT {expression} AS x FROM events", (), "analyst", Limits(rows=1))
    assert answer.table.to_pylist() == [{"x": EXPRESSIONS[expression]}]


def test_says_as_of_which_commit(engine: QueryEngine) -> None:
    seqs = {
        "SELECT count(*) FROM events": 2,
        "SELECT count(*) FROM complaints": 1,
        "SELECT count(*) FROM events JOIN complaints USING (event_id)": 1,
        "WITH c AS (SELECT * FROM clusters) SELECT count(*) FROM c": 1,
        "SELECT 1": 2,
    }
    assert {sql: engine.query(sql, (), "analyst", Limits()).as_of_seq for sql in seqs} == seqs


@pytest.mark.parametrize(
    ("sql", "rows", "truncated"),
    [
        ("SELECT segment_offset FROM events ORDER BY segment_offset DESC", [19, 18, 17, 16, 15], True),
        ("SELECT segment_offset FROM events ORDER BY segment_offset LIMIT 2", [0, 1], False),
        ("SELECT segment_offset FROM events ORDER BY segment_offset LIMIT 5", [0, 1, 2, 3, 4], False),
        ("SELECT segment_offset FROM events ORDER BY 1 OFFSET 18", [18, 19], False),
        ("SELECT 1 UNION ALL SELECT 2 ORDER BY 1 DESC", [2, 1], False),
        ("SELECT segment_offset FROM events WHERE false", [], False),
    ],
)
def test_gives_no_more_rows_than_asked_and_says_so(
    engine: QueryEngine, sql: str, rows: list[int], truncated: bool
) -> None:
    answer = engine.query(sql, (), "analyst", FEW)
    assert answer.table.column(0).to_pylist() == rows
    assert answer.truncated is truncated


def test_parameters_stand_where_their_marks_are(engine: QueryEngine) -> None:
    sql = (
        "WITH c AS (SELECT event_id, ? AS a FROM complaints WHERE region = ?) "
        "SELECT max(a) AS a, ? AS b, ? AS c, ? AS d, ? AS e, count(*) AS n FROM c "
        "WHERE event_id <> ? AND date '2026-01-01' < CAST(? AS date) LIMIT ?"
    )
    given = ("first", "Kano", -2, 1.5, True, None, "'; DROP VIEW x; --", "2026-01-02", 3)
    assert ask(engine, sql, *given) == [{"a": "first", "b": -2, "c": 1.5, "d": True, "e": None, "n": 1}]


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("SELECT missing FROM events", ()),
        ("SELECT event_id, event_id FROM events", ()),
        ("SELECT CAST(redacted_text AS bigint) FROM events", ()),
        ("SELECT lower(event_id, 1) FROM events", ()),
        ("SELECT event_id FROM events WHERE region = ?", ()),
        ("SELECT 1", ("secret",)),
        ("SELECT ? + 1 AS x FROM events", ("secret",)),
        ("SELECT date ? FROM events", ("secret",)),
    ],
)
def test_a_wrong_query_is_bad_input_without_values(
    engine: QueryEngine, sql: str, params: tuple[str, ...]
) -> None:
    with pytest.raises(BadInput) as refused:
        engine.query(sql, params, "analyst", Limits())
    assert "network since" not in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("sql", "limits", "error"),
    [
        (f"SELECT count(*) FROM {MANY}", Limits(seconds=0.5), TooSlow),
        ("SELECT * FROM events", Limits(bytes=1_000), TooLarge),
        (f"SELECT array_agg(concat(a.redacted_text, b.redacted_text)) AS x FROM {MANY}", Limits(), TooLarge),
    ],
)
def test_ends_what_costs_too_much_and_goes_on(
    engine: QueryEngine, sql: str, limits: Limits, error: type[Exception]
) -> None:
    with pytest.raises(error):
        engine.query(sql, (), "analyst", limits)
    assert ask(engine, "SELECT count(*) AS n FROM events") == [{"n": 20}]


def test_answers_several_threads(engine: QueryEngine) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda n: ask(engine, "SELECT ? AS n, count(*) AS c FROM events", n), range(12))
        assert [row for each in found for row in each] == [{"n": n, "c": 20} for n in range(12)]


def test_every_commit_is_in_the_next_answer(tmp_path: Path, opened: Open) -> None:
    lake = Lake(local(tmp_path))
    engine = opened(tmp_path)
    for view in views():
        assert ask(engine, f"SELECT * FROM {view}") == []
    for n in range(1, 4):
        commit(lake, EVENTS, [event(n, n)])
        answer = engine.query("SELECT count(*) AS n FROM events", (), "analyst", Limits())
        assert (answer.table.to_pylist(), answer.as_of_seq) == ([{"n": n}], n)
    derive(lake, [], source_seq=3)
    assert engine.query("SELECT * FROM complaints", (), "analyst", Limits()).as_of_seq == 3
    lake.close()


def test_columns_are_found_by_id_not_by_name(tmp_path: Path, opened: Open) -> None:
    lake = Lake(local(tmp_path))
    commit(lake, EVENTS, [event(1, city="Ikeja", zone="Africa/Lagos")])
    with lake.store.load(EVENTS.name).update_schema() as change:
        change.rename_column("city", "town").rename_column("zone", "city").delete_column("operator")
    lake.close()
    assert ask(opened(tmp_path), "SELECT city, zone, operator FROM events") == [
        {"city": "Africa/Lagos", "zone": None, "operator": None}
    ]
