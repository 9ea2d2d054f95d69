"""A day's numbers are what counting all events at the question gives, whatever happened, in any order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import sqlglot
from pyiceberg.expressions import EqualTo

from catalog.clock import SystemClock
from catalog.lake import read
from catalog.lake.commit import Lake
from catalog.lake.store import local
from catalog.tables import ACCEPTED, DUPLICATE, EVENTS, KPI_DAILY, QUARANTINED, TABLES
from pipelines import kpis
from pipelines.curate import Curator
from serve_apps.query.engine import base
from serve_apps.query.engine.dialect import DIALECT, MACROS
from serve_apps.query.views import version
from tests.daily import some

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Row = dict[str, Any]


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = Lake(local(tmp_path))
    yield opened
    opened.close()


def event(number: int, at: datetime = NOON, offset_h: int = 0, **more: Any) -> Row:
    """An accepted complaint; `offset_h` is how far its own time is ahead of UTC."""
    event_id = f"{number:032x}"
    return {
        **dict.fromkeys(("id_origin", "source", "payload_digest", "contract", "bundle", "code_version"), "x"),
        "event_id": event_id,
        "channel": "sms",
        "event_time": at,
        "event_date": at.date(),
        "local_date": (at + timedelta(hours=offset_h)).date(),
        "received_at": at,
        "processed_at": at,
        "disposition": ACCEPTED,
        "segment": "s",
        "offset": number,
        "is_complaint": True,
        "cluster_id": event_id,
        "l1": "network",
        "l2": "outage",
    } | more


def commit(lake: Lake, n: int, *events: Row) -> None:
    table = pa.Table.from_pylist([each | {"plan": n} for each in events], schema=EVENTS.arrow_schema)
    lake.commit(EVENTS.name, n, table, f"c{n - 1}" if n > 1 else "", f"c{n}", {})


def asked(lake: Lake, number: int) -> list[tuple[Any, ...]]:
    """All rows of a version of the view."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for statement in (*base.schemas(TABLES.values()), *MACROS):
            connection.execute(statement)
        for name, shown in read.snapshots(lake, tuple(TABLES), {}).items():
            for statement in base.statements(TABLES[name], shown):
                connection.execute(statement)
        sql = sqlglot.transpile(version("kpi_daily", number).sql, "trino", DIALECT)[0]
        return sorted(connection.execute(sql).fetchall(), key=repr)


class World:
    """Draws what may happen: events from everywhere, late, held back, doubled, between clusters, erased."""

    def __init__(self, lake: Lake, seed: int) -> None:
        self._lake = lake
        self._draw = random.Random(seed)
        self._events: list[Row] = []
        self._now = NOON
        self.n = 0

    def plan(self) -> None:
        """One more commit; time goes on by some hours."""
        self._now += timedelta(hours=self._draw.randrange(30))
        self.n += 1
        first = len(self._events)
        self._events += [self._event(first + each) for each in range(self._draw.randrange(6))]
        commit(self._lake, self.n, *self._events[first:])

    def erased(self) -> Row:
        """One event less that no cluster is named after."""
        heads = {row["cluster_id"] for row in self._events}
        row = self._draw.choice([each for each in self._events if each["event_id"] not in heads])
        self._events.remove(row)
        self._lake.store.load(EVENTS.name).delete(EqualTo("event_id", row["event_id"]))
        return row

    def _event(self, number: int) -> Row:
        draw = self._draw
        late = timedelta(hours=draw.choice((0, 0, 1, 20, 24 * draw.randrange(9))))
        row = event(number, self._now - late, draw.randrange(-12, 15), received_at=self._now)
        row["channel"], row["l2"] = draw.choice(("sms", "social")), draw.choice(("outage", "refund", None))
        row["is_complaint"] = draw.choice((True, True, True, False, None))
        kind = draw.randrange(8)
        if kind == 0:
            return row | {"disposition": QUARANTINED, "cluster_id": None} | self._broken()
        if kind < 4 and self._events:
            other = draw.choice(self._events)["cluster_id"]
            row |= {"cluster_id": other, "disposition": draw.choice((ACCEPTED, ACCEPTED, DUPLICATE))}
            if other and kind == 3:
                bridged = draw.choice(self._events)["cluster_id"]
                row["bridges"] = [bridged] if bridged not in (None, other) else None
        return row

    def _broken(self) -> Row:
        """Held back under the date of its arrival, because of its clock or of something else."""
        days = self._draw.choice((0, 2, 5, 40, -2, -9, -11_000, 36_000))
        told = self._now + timedelta(days=days)
        dates = {"event_date": self._now.date(), "event_time": told, "local_date": told.date()}
        return self._draw.choice((dates, dates | {"local_date": None, "event_time": None}))


@pytest.mark.parametrize("seed", some(range(6), 2))
def test_whatever_happens_the_numbers_are_those_of_all_events(lake: Lake, seed: int) -> None:
    world, draw = World(lake, seed), random.Random(seed)
    curator = Curator(lake, SystemClock(), 0)
    for _ in range(8):
        for _ in range(draw.randrange(1, 3)):
            world.plan()
        if draw.random() < 0.3:  # another process goes on
            curator = Curator(lake, SystemClock(), 0)
        curator.build(world.n)
        assert asked(lake, 3) == asked(lake, 2)
    row = world.erased()
    curator.build(world.n, {row["event_date"]})
    assert asked(lake, 3) == asked(lake, 2)


def held(lake: Lake) -> dict[str, tuple[int, int, int]]:
    rows = read.whole(lake, KPI_DAILY.name).to_pylist()
    found = {
        row["local_date"].isoformat(): (row["complaints"], row["clusters"], row["quarantined"])
        for row in rows
    }
    assert len(found) == len(rows)
    return found


def build(lake: Lake, seq: int) -> dict[str, tuple[int, int, int]]:
    Curator(lake, SystemClock(), 0).build(seq)
    return held(lake)


def test_a_local_day_is_counted_from_the_event_dates_around_it(lake: Lake) -> None:
    commit(lake, 1, event(1), event(2, NOON - timedelta(hours=13), 14))
    assert build(lake, 1) == {"2026-03-01": (2, 2, 0)}
    # Of the same grievance, from the event date after it; that date has nothing else.
    commit(lake, 2, event(3, NOON + timedelta(hours=13), -12, cluster_id=f"{1:032x}"))
    assert build(lake, 2) == {"2026-03-01": (3, 2, 0)}


def test_a_group_without_events_vanishes_and_an_empty_month_has_no_file(lake: Lake) -> None:
    commit(lake, 1, event(1), event(2, NOON + timedelta(days=60)))
    curator = Curator(lake, SystemClock(), 0)
    curator.build(1)
    assert len(read.data_files(lake, KPI_DAILY.name).paths) == 2
    lake.store.load(EVENTS.name).delete(EqualTo("event_id", f"{1:032x}"))
    curator.build(1, {NOON.date()})
    assert held(lake) == {"2026-04-30": (1, 1, 0)}
    assert len(read.data_files(lake, KPI_DAILY.name).paths) == 1


def test_days_of_a_month_that_nobody_touched_stay_as_they_are(lake: Lake) -> None:
    days = [event(each, NOON + timedelta(days=7 * each)) for each in range(4)]
    commit(lake, 1, *days)
    before = build(lake, 1)
    assert len(before) == 4
    commit(lake, 2, event(9, NOON + timedelta(days=14)))
    assert build(lake, 2) == before | {"2026-03-15": (2, 2, 0)}


@pytest.mark.parametrize("year", [1, 1970, 2098, 9999])
def test_a_wrong_clock_is_counted_on_the_day_it_said(lake: Lake, year: int) -> None:
    told = datetime(year, 12, 31, 12, tzinfo=UTC) if year > 1 else datetime(1, 1, 1, 12, tzinfo=UTC)
    broken = {
        "event_date": NOON.date(),
        "disposition": QUARANTINED,
        "is_complaint": None,
        "received_at": NOON,
    }
    commit(lake, 1, event(1), event(2, told, **broken))
    assert build(lake, 1) == {"2026-03-01": (1, 1, 0), told.date().isoformat(): (0, 0, 1)}
    commit(lake, 2, event(3, told, **broken), event(4, told, **broken | {"event_date": NOON.date()}))
    assert build(lake, 2)[told.date().isoformat()] == (0, 0, 3)
    months = set(read.whole(lake, KPI_DAILY.name)["month"].to_pylist())
    assert min(months) >= kpis.FIRST_MONTH
    assert max(months) <= kpis.LAST_MONTH


def test_a_table_that_came_later_is_built_from_all_commits(lake: Lake) -> None:
    """A home of an earlier version has complaints up to the last commit, and no numbers."""
    commit(lake, 1, event(1))
    commit(lake, 2, event(2, NOON + timedelta(days=3)))
    expected = build(lake, 2)
    lake.store.drop(KPI_DAILY.name)
    lake.store.ensure(KPI_DAILY)
    files = read.data_files(lake, "curated.complaints").paths
    assert build(lake, 2) == expected
    assert read.data_files(lake, "curated.complaints").paths == files
    assert asked(lake, 3) == asked(lake, 2)
