"""A year of complaints written straight into the lake's files, and the questions about it.

    BEEJAN_HOME=FOLDER python -m benchmarks.year [--profile cluster] [--numbers-only]

Needs a lake of its own: an empty home, or one that this has filled before, which is only asked then. Every
day is one commit of `structured.events`; the curated tables are built by the product's own curator, two
months at a time. Channels, regions and categories are the product's; days have the rhythm of a week, a
fortieth of the events is held back, every seventh belongs to an earlier one's cluster. There are no
signatures, pseudonyms repeat, and texts come from a pool. `--numbers-only` writes `curated.kpi_daily` alone,
counted from the same events in a tenth of the time.

Then each question that reads `kpi_daily` alone is asked through the query engine of the profile, after all of
them were asked `WARMING` times (a server that just started compiles what it runs often, and takes twice as
long until then), and after them some that read `complaints`, for information. A line each: the median and the
longest of `RUNS`, in milliseconds. What counting all rows costs the same machine stands below.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlglot
from sqlglot import exp

from catalog.bundle.folder import default
from catalog.clock import EPOCH, SystemClock, to_datetime
from catalog.contracts.registry import CHANNELS
from catalog.errors import BadInput, BeejanError
from catalog.lake.commit import Lake
from catalog.lake.rebuild import rebuild, source_seq
from catalog.tables import ACCEPTED, DUPLICATE, EVENTS, KPI_DAILY, QUARANTINED
from cluster import query_side
from cluster.home import Home
from cluster.places import places
from cluster.settings import PROFILES, choose, read
from pipelines import kpis
from pipelines.curate import Curator
from serve_apps.query.cookbook import questions
from serve_apps.query.engine.port import Limits, QueryEngine
from serve_apps.query.filters import Kpis, Query
from serve_apps.query.views import views

FIRST = date(2025, 1, 1)
BUILD_DAYS = 61
WARMING, RUNS, INFORMATION_RUNS = 5, 10, 3
WITHIN = Limits(seconds=60.0)
INFORMATION = ("provisional_days", "silences", "completeness")
NUMBERS = {"all numbers of all days": "SELECT sum(complaints) AS n, count(*) AS lines FROM kpi_daily"}
ROWS = {
    "count of all events": "SELECT count(*) AS n FROM events",
    "all complaints by category": "SELECT l2, count(*) AS n FROM complaints GROUP BY l2",
}
WEEK = np.array([1.15, 1.1, 1.05, 1.0, 1.05, 0.85, 0.8])
SHARES = np.array([0.45, 0.25, 0.2, 0.1])
"""Of the channels, the largest first."""
HELD, TOLD, DOUBLED, AGAIN, AFTER = 0.025, 0.8, 0.06, 0.14, 0.02
"""Shares: held back; complaints of the others; same complaints; of an earlier cluster; of the day before."""
BRIDGES = 3
"""A day."""
HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
CUSTOMERS, TEXTS = 200_000, 5_000
WORDS = (
    "network",
    "down",
    "data",
    "refund",
    "agent",
    "slow",
    "charged",
    "twice",
    "signal",
    "abeg",
    "airtime",
)


class Timed(NamedTuple):
    """How long a question took, warm; `rows` of its answer."""

    name: str
    p50_ms: float
    max_ms: float
    rows: int


class Year:
    """Draws the events of one day after the other; the same ones for the same seed."""

    def __init__(self, per_day: int, seed: int = 1) -> None:
        self._draw = np.random.default_rng(seed)
        self._per_day = per_day
        bundle = default("year")
        self._categories = [(each.l1, each.code) for each in bundle.taxonomy]
        self._regions = sorted(
            {each.region for each in bundle.places if each.region and each.country == "NG"}
        )
        words = self._draw.choice(WORDS, (TEXTS, 20))
        self._texts = _strings([" ".join(each) for each in words])
        self._customers = self._ids(CUSTOMERS)

    def day(self, n: int) -> pa.Table:
        """The rows of `structured.events` of plan n, which is also the number of the day."""
        draw, today = self._draw, FIRST + timedelta(days=n - 1)
        count = int(self._per_day * WEEK[today.weekday()] / WEEK.mean())
        ids, channels = self._ids(count), draw.choice(len(CHANNELS), count, p=SHARES)
        is_held, is_after = draw.random(count) < HELD, draw.random(count) < AFTER
        is_again = ~is_held & (draw.random(count) < AGAIN)
        is_doubled = is_again & (draw.random(count) < DOUBLED / AGAIN)
        cluster_id, bridges = self._clusters(ids, is_held, is_again)
        # Of the day in Lagos, mostly around its noon; those of the day before come in the morning.
        local_days = (today - EPOCH.date()).days - is_after
        local_us = local_days * DAY_US + (draw.beta(2.5, 2.0, count) * DAY_US).astype(np.int64)
        event_us = local_us - HOUR_US
        received_us = event_us + is_after * DAY_US + draw.exponential(120e6, count).astype(np.int64)
        event_days = np.where(is_held, received_us, event_us) // DAY_US
        is_away = is_held & (draw.random(count) < 0.05)
        local_days = np.where(is_away, local_days + 40, local_days)
        l1, l2 = self._judged(count)
        columns = {
            "event_id": ids,
            "channel": _strings(CHANNELS).take(pa.array(channels)),
            "source": _strings([f"{each}-gateway" for each in CHANNELS]).take(pa.array(channels)),
            "event_time": pa.array(event_us, mask=is_held & ~is_away),
            "event_date": pa.array(event_days.astype(np.int32)),
            "local_date": pa.array(local_days.astype(np.int32), mask=is_held & ~is_away),
            "received_at": pa.array(received_us),
            "text": self._texts.take(pa.array(draw.integers(TEXTS, size=count))),
            "disposition": _strings([ACCEPTED, DUPLICATE, QUARANTINED]).take(
                pa.array(np.where(is_held, 2, is_doubled.astype(np.int64)))
            ),
            "reason": _strings([None, "event_time_naive", "event_time_future"]).take(
                pa.array(is_held.astype(np.int64) + is_away)
            ),
            "offset": pa.array(np.arange(count)),
            "customer_key": self._customers.take(pa.array(draw.integers(CUSTOMERS, size=count))),
            "region": _blank(self._pick(self._regions, count), is_held | (draw.random(count) < 0.25)),
            "cluster_id": cluster_id,
            "bridges": bridges,
            "is_complaint": pa.array(draw.random(count) < TOLD, mask=is_held),
            "l1": _blank(l1, is_held),
            "l2": _blank(l2, is_held),
            "confidence": pa.array(np.round(draw.random(count), 2), mask=is_held),
            "needs_review": pa.array(draw.random(count) < 0.1, mask=is_held),
        }
        same = {
            **dict.fromkeys(("contract", "bundle", "code_version"), "year/1"),
            "id_origin": "provider",
            "payload_digest": "0" * 32,
            "segment": f"year-{n}",
            "plan": n,
            "processed_at": to_datetime(((today - EPOCH.date()).days + 1) * DAY_US),
            "country": "NG",
            "zone": "Africa/Lagos",
            "utc_offset_min": 60,
        }
        return _table(columns, same, count)

    def _clusters(
        self, ids: pa.Array, is_held: np.ndarray, is_again: np.ndarray
    ) -> tuple[pa.Array, pa.Array]:
        """The cluster of each event, its own or an earlier one's, and which few events joined two."""
        heads, again = np.flatnonzero(~is_held & ~is_again), np.flatnonzero(is_again)
        earlier = np.searchsorted(heads, again)
        named = np.arange(len(ids))
        named[again] = heads[(earlier * self._draw.random(len(again)) ** 3).astype(np.int64)]
        joined: list[list[str] | None] = [None] * len(ids)
        for each in again[-BRIDGES:]:
            joined[each] = [ids[int(self._draw.choice(heads))].as_py()]
        return _blank(ids.take(pa.array(named)), is_held), pa.array(
            joined, EVENTS.arrow_schema.field("bridges").type
        )

    def _judged(self, count: int) -> tuple[pa.Array, pa.Array]:
        chosen = self._pick(range(len(self._categories)), count)
        l1, l2 = zip(*self._categories, strict=True)
        return _strings(l1).take(chosen), _strings(l2).take(chosen)

    def _pick(self, among: Sequence[str] | range, count: int) -> pa.Array:
        """Some far more often than others."""
        weights = 1 / (np.arange(len(among)) + 1.0)
        chosen = pa.array(self._draw.choice(len(among), count, p=weights / weights.sum()))
        return chosen if isinstance(among, range) else _strings(among).take(chosen)

    def _ids(self, count: int) -> pa.Array:
        """As many ids as the product gives, 32 hex digits each."""
        digits = pa.py_buffer(self._draw.bytes(16 * count).hex().encode())
        places = pa.py_buffer(np.arange(count + 1, dtype=np.int64) * 32)
        return pa.Array.from_buffers(pa.large_string(), count, [None, places, digits])


def _strings(values: Sequence[str | None]) -> pa.Array:
    return pa.array(values, pa.large_string())


def _blank(values: pa.Array, where: np.ndarray) -> pa.Array:
    return pc.if_else(pa.array(where), pa.scalar(None, values.type), values)


def _table(columns: dict[str, pa.Array], same: dict[str, object], count: int) -> pa.Table:
    arrays = []
    for field in EVENTS.arrow_schema:
        if field.name in columns:
            arrays.append(columns[field.name].cast(field.type))
        else:
            arrays.append(pa.repeat(pa.scalar(same.get(field.name), field.type), count))
    return pa.Table.from_arrays(arrays, schema=EVENTS.arrow_schema)


def write(lake: Lake, days: int, per_day: int) -> None:
    """Commit what is missing of so many days, and build the curated tables."""
    year, curator = Year(per_day), Curator(lake, SystemClock(), 0)
    done = lake.head(EVENTS.name).commit_seq
    if done not in (0, days):
        raise BadInput("the lake holds something else", hint="name an empty home", commit_seq=done)
    for n in range(done + 1, days + 1):
        lake.commit(EVENTS.name, n, year.day(n), f"year-{n - 1}" if n > 1 else "", f"year-{n}", {})
        if n % BUILD_DAYS == 0 or n == days:
            curator.build(n)
    curator.build(days)


def write_numbers(lake: Lake, days: int, per_day: int) -> None:
    """Only `curated.kpi_daily`, counted by the product from the same events, which are then forgotten."""
    if source_seq(lake, KPI_DAILY.name) != days:
        rebuild(lake, KPI_DAILY.name, _months(days, per_day), days, FIRST + timedelta(days=days - 1))


def _months(days: int, per_day: int) -> Iterator[tuple[date, pa.Table]]:
    """The numbers of each month, as soon as no day to come can add to them."""
    year, open_ = Year(per_day), defaultdict[date, list[pa.Table]](list)
    for n in range(1, days + 1):
        counted = kpis.counted(year.day(n), {})
        months = pa.array(map(kpis.month, counted["local_date"].to_pylist()), pa.date32())
        for month in months.unique().to_pylist():
            open_[month].append(counted.filter(pc.equal(months, month)))
        until = kpis.month(FIRST + timedelta(days=n - 1)) if n < days else date.max
        for month in sorted(each for each in open_ if each < until):
            yield month, kpis.ordered(kpis.kpis(pa.concat_tables(open_.pop(month))))


def asked(engine: QueryEngine, name: str, query: Query, warming: int, runs: int) -> Timed:
    """Ask one question so often, as the role that sees everything. Raises what the engine raises."""
    took_ms, rows = [], 0
    for _ in range(warming + runs):
        began_s = time.perf_counter()
        answer = engine.query(query.sql, query.params, "compliance", WITHIN)
        took_ms.append((time.perf_counter() - began_s) * 1e3)
        rows = answer.table.num_rows
    warm = took_ms[warming:]
    return Timed(name, statistics.median(warm), max(warm), rows)


def of_kpis() -> dict[str, Query]:
    """The questions that read the days' numbers and nothing else, and what GET /query/v1/kpis/daily asks."""
    found = {
        name: Query(each.sql, [])
        for name, each in questions().items()
        if {t.name for t in sqlglot.parse_one(each.sql, read="trino").find_all(exp.Table)} & set(views())
        == {"kpi_daily"}
    }
    return found | {"GET /query/v1/kpis/daily": Kpis.model_validate({}).query()}


def others() -> dict[str, str]:
    """What is asked for information, and what counting all rows costs."""
    return ROWS | {name: questions()[name].sql for name in INFORMATION}


def report(engine: QueryEngine, kind: str, others: Mapping[str, str]) -> Iterator[str]:
    """A line for each question, one for the slowest of those that count, and one for each of the others."""
    asking = of_kpis()
    for name, query in asking.items():
        asked(engine, name, query, 0, WARMING)
    timed = [asked(engine, name, query, 0, RUNS) for name, query in asking.items()]
    yield from (_line(kind, each) for each in timed)
    slowest = max(timed, key=lambda each: each.p50_ms)
    yield f"slowest of {len(timed)}: {slowest.name}, p50 {slowest.p50_ms:.0f} ms"
    for name, sql in (NUMBERS | dict(others)).items():
        try:
            yield _line(kind, asked(engine, name, Query(sql, []), 1, INFORMATION_RUNS))
        except BeejanError as error:
            yield f"{name:<36} {kind}  not answered: {error.code}"


def _line(kind: str, each: Timed) -> str:
    times = f"p50 {each.p50_ms:6.0f} ms  max {each.max_ms:6.0f} ms"
    return f"{each.name:<36} {kind}  {times}  {each.rows:>6} rows"


def main() -> int:
    """Write, ask, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", choices=PROFILES, help="else BEEJAN_PROFILE says")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument(
        "--numbers-only", action="store_true", help="write curated.kpi_daily and nothing else"
    )
    parser.add_argument("--per-day", type=int, default=40_000, help="events on the mean day")
    given = parser.parse_args()
    if given.profile:
        choose(given.profile)
    settings = read()
    Home(settings.home).make()
    at, began_s = places(settings), time.monotonic()
    lake = Lake(at.lake)
    (write_numbers if given.numbers_only else write)(lake, given.days, given.per_day)
    lake.close()
    took_s, peak_mb = time.monotonic() - began_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(
        f"{given.days} days of about {given.per_day} events: {took_s:.0f} s, at most {peak_mb} MB", flush=True
    )
    query_side.make_views(settings, views().values())
    engine = query_side.open_engine(settings)
    try:
        more = {} if given.numbers_only else others()
        for line in report(engine, "trino" if at.trino else "duckdb", more):
            print(line, flush=True)
    finally:
        engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
