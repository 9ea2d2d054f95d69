"""What every engine does, whichever it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from catalog.errors import BadInput, TooLarge, TooSlow
from catalog.lake.commit import Lake
from catalog.tables import EVENTS, TABLES
from serve_apps.query.answers import rows
from serve_apps.query.engine.port import ROLES, Limits, QueryEngine, Role
from serve_apps.query.roles import grants
from serve_apps.query.views import type_name, views
from tests.serve_apps.query.engine.engines import GROUNDS, Ground
from tests.serve_apps.query.lakes import commit, derive, event

FEW = Limits(rows=5)
MANY = ", ".join(f"events AS {name}" for name in "abcdefgh")


@pytest.fixture(params=GROUNDS)
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    """A lake of the test's own."""
    with GROUNDS[request.param](request, tmp_path) as made, made.turn():
        yield made


def ask(engine: QueryEngine, sql: str, *params: Any, role: Role = "analyst") -> list[dict[str, Any]]:
    return list(engine.query(sql, params, role, Limits()).table.to_pylist())


@pytest.mark.parametrize(("role", "view"), [(role, view) for role in ROLES for view in grants()[role].views])
def test_gives_each_view_as_its_contract_says(engine: QueryEngine, view: str, role: Role) -> None:
    table, grant = engine.query(f"SELECT * FROM {view}", (), role, Limits()).table, grants()[role]
    assert table.num_rows or view in grant.rows
    promised = grant.columns(views()[view])
    assert [(each.name, type_name(each.type)) for each in table.schema] == [each[:2] for each in promised]
    for column in promised:
        nulls = table.column(column.name).null_count
        assert column.is_nullable or nulls == 0, column.name
        if column.name in ("customer_key", "account_key"):
            assert (nulls == table.num_rows) == (column.name in grant.masked)


def test_reads_instants_in_utc_and_lists_as_lists(engine: QueryEngine) -> None:
    hour, minute = datetime(2026, 1, 2, 12, tzinfo=UTC), datetime(2026, 1, 2, 12, 7, tzinfo=UTC)
    sql = "SELECT event_time AS t, date_trunc('hour', event_time) AS h, secondary_l2 AS l FROM events"
    assert ask(engine, sql + " WHERE log_offset = 7") == [{"t": minute, "h": hour, "l": ["speed"]}]


OF_ALL_ROWS = re.compile(
    r"(sum|avg|count|count_if|approx_percentile|(min|max)(_by)?|bool_or|listagg|cardinality)\("
)
"""How those begin that make one row of many."""
# One line for each way of asking that an analyst relies on: an expression over `events`, and its value.
EXPRESSIONS: dict[str, Any] = {
    "5 / 2": 2,
    "5.0 / 2": 2.5,
    "sum(log_offset)": 190,
    "avg(log_offset)": 9.5,
    "count_if(is_complaint)": 18,
    "count(DISTINCT region)": 2,
    "count(*) FILTER (WHERE region = 'Kano')": 1,
    "approx_percentile(confidence, 0.5)": 0.75,
    "max_by(log_offset, event_time)": 19,
    "bool_or(is_complaint)": True,
    "listagg(DISTINCT channel, '+') WITHIN GROUP (ORDER BY channel)": "sms+social",
    "cardinality(array_agg(event_id))": 20,
    "max(contains(secondary_l2, 'speed'))": True,
    "max(json_extract_scalar(evidence, '$[0].rule'))": "no_network",
    "max(date_trunc('hour', event_time))": datetime(2026, 1, 2, 12, tzinfo=UTC),
    "max(date_diff('day', event_date, date '2026-02-01'))": 30,
    "max(date_diff('hour', event_time, timestamp '2026-01-02 13:18:59 UTC'))": 1,
    "max(date_trunc('week', event_date))": date(2025, 12, 29),
    "max(event_date - INTERVAL '1' DAY)": date(2026, 1, 1),
    "max(date_add('week', -1, event_date))": date(2025, 12, 26),
    "max(date_add('minute', 15 * (minute(event_time) / 15), event_time))": datetime(
        2026, 1, 2, 12, 34, tzinfo=UTC
    ),
    "max(extract(dow FROM date '2026-01-04'))": 7,
    "max(extract(hour FROM event_time))": 12,
    "max(day_of_week(event_date))": 5,
    "max(date_format(event_time, '%Y-%m-%d %H:%i'))": "2026-01-02 12:19",
    "max(event_time AT TIME ZONE 'Africa/Lagos' < event_time)": False,
    "1.0 / 3": Decimal("0.3"),
    "2.0 / 3": Decimal("0.7"),
    "-2.00 / 3": Decimal("-0.67"),
    "1 / 3.000": Decimal("0.333"),
    "CAST(1 AS decimal(10,2)) / 7": Decimal("0.14"),
    "CAST(1 AS decimal(10,2)) / CAST(7 AS decimal(5,4))": Decimal("0.1429"),
    "CAST(7 AS decimal) / 2": Decimal("4"),
    "CAST(1 AS decimal(4,1)) * 1.5 / 4": Decimal("0.38"),
    "100.0 * count_if(log_offset < 7) / count(*)": Decimal("35.0"),
    "100.0 * count_if(log_offset < 7) / 18": Decimal("38.9"),
    "sum(log_offset) / 7.0": Decimal("27.1"),
    "max(log_offset) / 7.0": Decimal("2.7"),
    "sum(confidence) / 7.0 > 2.1": True,
    "1e0 / 4": 0.25,
    "CAST(1 AS double) / 4.0": 0.25,
    "avg(CAST(log_offset AS decimal(9,1)))": Decimal("9.5"),
    "avg(CAST(log_offset AS decimal(9,1)) / 7)": Decimal("1.4"),
    "max(event_time AT TIME ZONE '+01:00' < event_time)": False,
    "TIMESTAMP '2026-03-01 10:00:00 +01:00'": datetime(2026, 3, 1, 9, tzinfo=UTC),
    "TIMESTAMP '2026-03-01 10:00:00.25 -05:30'": datetime(2026, 3, 1, 15, 30, 0, 250_000, tzinfo=UTC),
    "TIMESTAMP '2026-03-01 10:00:00 Africa/Nairobi'": datetime(2026, 3, 1, 7, tzinfo=UTC),
    "CAST('2026-03-01 10:00 +02:00' AS timestamp(3) with time zone)": datetime(2026, 3, 1, 8, tzinfo=UTC),
    "TRY_CAST('2026-03-01 10:00:00 +02:00' AS timestamp with time zone)": datetime(2026, 3, 1, 8, tzinfo=UTC),
    "count_if(event_time < TIMESTAMP '2026-01-02 13:10:00 +01:00')": 10,
    "lower('Ab') || upper('c')": "abC",
    "substr('abcdef', 2, 3)": "bcd",
    "split_part('a,b,c', ',', 2)": "b",
    "strpos('abc', 'c')": 3,
    "regexp_like('no network', '(?i)NETWORK')": True,
    "regexp_extract('paid N500 twice', 'N([0-9]+)', 1)": "500",
    "regexp_replace('a1b22', '[0-9]+', '#')": "a#b#",
    "regexp_replace('a1b22', '([0-9]+)', '<$1>')": "a<1>b<22>",
    "regexp_replace('a1b22', '[0-9]')": "ab",
    "regexp_extract('paid', '[0-9]+')": None,
    "split_part('a,b,c', ',', 9)": None,
    "try_cast('x' AS bigint)": None,
    "if(1 > 2, 'a', coalesce(NULL, 'b'))": "b",
    "mod(7, 3) + greatest(1, 3, 2)": 4,
    "NULL IS DISTINCT FROM 1": True,
}


@pytest.mark.parametrize("is_of_all_rows", [True, False])
def test_computes_as_trino_does(engine: QueryEngine, is_of_all_rows: bool) -> None:
    """All of a kind in one question: a server takes half a second for each."""
    asked = [each for each in EXPRESSIONS if bool(OF_ALL_ROWS.match(each)) == is_of_all_rows]
    assert asked
    columns = ", ".join(f"{each} AS x{n}" for n, each in enumerate(asked))
    (row,) = engine.query(f"SELECT {columns} FROM events", (), "analyst", Limits(rows=1)).table.to_pylist()
    assert dict(zip(asked, row.values(), strict=True)) == {each: EXPRESSIONS[each] for each in asked}


ROWS = {
    "SELECT t.x AS x FROM events CROSS JOIN UNNEST(secondary_l2) AS t(x)": ["speed"] * 20,
    "SELECT json_extract_scalar(t.found, '$.rule') AS x FROM events "
    "CROSS JOIN UNNEST(CAST(json_parse(evidence) AS array(json))) AS t(found)": ["no_network"] * 20,
    "SELECT DISTINCT t.x AS x FROM events CROSS JOIN UNNEST(split(lower(redacted_text), ' ')) AS t(x) "
    "WHERE length(t.x) > 5 ORDER BY x": ["<phone>", "network"],
    "SELECT t.b AS x FROM (VALUES ('sms', 1), ('social', 2)) AS t(a, b) ORDER BY t.b": [1, 2],
}


@pytest.mark.parametrize("sql", ROWS)
def test_makes_rows_of_lists(engine: QueryEngine, sql: str) -> None:
    assert [row["x"] for row in ask(engine, sql)] == ROWS[sql]


def test_each_row_says_as_of_which_commit(engine: QueryEngine) -> None:
    seqs = {"clusters": 1, "complaints": 1, "events": 2, "kpi_daily": 1, "ledger": 1, "quarantine": 2}
    found = {view: ask(engine, f"SELECT DISTINCT as_of_seq AS seq FROM {view}") for view in seqs}
    assert found == {view: [{"seq": seq}] for view, seq in seqs.items()}
    told = ask(engine, "SELECT * FROM as_of ORDER BY as_of_seq, table_name")
    seqs = {str(row["table_name"]): row["as_of_seq"] for row in told}
    assert seqs.keys() == TABLES.keys()
    assert seqs.items() >= {
        ("curated.complaints", 1),
        ("curated.kpi_daily", 1),
        ("ops.ledger", 1),
        ("structured.events", 2),
    }


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
        ("SELECT log_offset FROM events ORDER BY log_offset DESC", [19, 18, 17, 16, 15], True),
        ("SELECT log_offset FROM events ORDER BY log_offset LIMIT 2", [0, 1], False),
        ("SELECT log_offset FROM events ORDER BY log_offset LIMIT 5", [0, 1, 2, 3, 4], False),
        ("SELECT log_offset FROM events ORDER BY 1 OFFSET 18", [18, 19], False),
        ("SELECT 1 UNION ALL SELECT 2 ORDER BY 1 DESC", [2, 1], False),
        ("SELECT log_offset FROM events WHERE false", [], False),
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
        (f"SELECT count(*) FROM {MANY}", Limits(seconds=0.5), (TooSlow,)),
        ("SELECT * FROM events", Limits(bytes=1_000), (TooLarge,)),
        (
            f"SELECT array_agg(a.redacted_text || b.source) AS x FROM {MANY}",
            Limits(seconds=10.0),
            (TooLarge, TooSlow),
        ),
    ],
)
def test_ends_what_costs_too_much_and_goes_on(
    engine: QueryEngine, sql: str, limits: Limits, error: tuple[type[Exception], ...]
) -> None:
    with pytest.raises(error):
        engine.query(sql, (), "analyst", limits)
    assert ask(engine, "SELECT count(*) AS n FROM events") == [{"n": 20}]


def test_answers_several_threads(engine: QueryEngine) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda n: ask(engine, "SELECT ? AS n, count(*) AS c FROM events", n), range(12))
        assert [row for each in found for row in each] == [{"n": n, "c": 20} for n in range(12)]


def test_every_commit_is_in_the_next_answer(ground: Ground) -> None:
    lake, engine = Lake(ground.place), ground.open()
    for view in set(views()) - {"as_of"}:
        assert ask(engine, f"SELECT * FROM {view}") == []
    for n in range(1, 4):
        commit(lake, EVENTS, [event(n, n)])
        answer = engine.query("SELECT count(*) AS n FROM events", (), "analyst", Limits())
        assert (answer.table.to_pylist(), answer.as_of_seq) == ([{"n": n}], n)
    derive(lake, [], source_seq=3)
    assert engine.query("SELECT * FROM complaints", (), "analyst", Limits()).as_of_seq == 3
    engine.close()
    lake.close()


def test_columns_are_found_by_id_not_by_name(ground: Ground) -> None:
    lake, engine = Lake(ground.place), ground.open()
    commit(lake, EVENTS, [event(1, city="Ikeja", zone="Africa/Lagos")])
    for before, after in (("city", "town"), ("zone", "city"), ("town", "zone")):
        with lake.store.load(EVENTS.name).update_schema() as change:
            change.rename_column(before, after)
    lake.close()
    assert ask(engine, "SELECT city, zone FROM events") == [{"city": "Africa/Lagos", "zone": "Ikeja"}]
    engine.close()


@pytest.mark.parametrize("value", [1 << 70, -(1 << 70), "\ud800"])
def test_a_value_that_no_engine_holds_is_refused(engine: QueryEngine, value: int | str) -> None:
    with pytest.raises(BadInput):
        ask(engine, "SELECT ? AS x", value)
    assert ask(engine, "SELECT 1 AS x") == [{"x": 1}]


@pytest.mark.parametrize("then", ["date_add('year', 9000, event_date)", "date_add('year', 9000, event_time)"])
def test_a_day_past_every_calendar_is_refused(engine: QueryEngine, then: str) -> None:
    with pytest.raises(BadInput, match="CAST"):
        rows(engine.query(f"SELECT {then} AS x FROM events", (), "analyst", FEW).table)


def test_a_span_of_time_is_no_value_of_an_answer(engine: QueryEngine) -> None:
    with pytest.raises(BadInput, match="cannot hold such values"):
        ask(engine, "SELECT max(event_time) - min(event_time) AS x FROM events")
