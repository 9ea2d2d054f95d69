"""Commit time and metadata size over many small commits, with upkeep in between as the sequencer does it.

    python -m benchmarks.commit_time [--commits 500]

A commit is 100 rows over four partitions of the day's date; the day moves on every 500 commits, so that the
day that goes on is compacted, and closed ones. Times are medians over the 20 commits that end at the named
one, without upkeep, which has figures of its own. The figures to hold: the 500th commit at most 1.5 times the
10th, and bytes of metadata written per commit bounded.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from catalog.clock import EPOCH, SystemClock
from catalog.control.plans import Plan
from catalog.envelope import Envelope, Located
from catalog.ids import event_id
from catalog.lake.commit import Lake
from catalog.lake.store import local
from catalog.tables import ACCEPTED, EVENTS, LEDGER
from cluster.settings import Settings
from cluster.wiring import bundle_in_force, stages
from pipelines import flow
from pipelines.maintain import Maintainer

ROWS, CHANNELS = 100, ("sms", "social", "web_form", "call_centre")
COMMITS_A_DAY = 500
WINDOW = 20
DECIDED = (
    *("disposition", "linked_to", "similarity", "conflicts_with"),
    *("link_kind", "cluster_id", "bridges"),
)
"""The columns that the memory would add."""


class Days(SystemClock):
    """A clock at the beginning of the day of commit `n`."""

    def __init__(self, n: int) -> None:
        self.n = n

    def now_us(self) -> int:
        return (_day(self.n) - EPOCH.date()).days * 86_400_000_000


def _day(n: int) -> date:
    return date(2026, 1, 1) + timedelta(days=n // COMMITS_A_DAY)


def judged(n: int, pure: Callable[..., pa.Table]) -> pa.Table:
    """Undecided rows of commit n, with the columns that the memory would add."""
    day, received_us = _day(n), Days(n).now_us()
    batch = []
    for i in range(ROWS):
        payload = f'{{"id":"{n}-{i}","text":"complaint {n} {i} of the day","event_time":"{day}T10:00:00Z"}}'
        known = (event_id("bench", "provider", f"{n}-{i}"), "provider", CHANNELS[i % 4], "bench", received_us)
        stored = Envelope(*known, "plain/1", "core-1", "application/json", "", payload.encode())  # type: ignore[arg-type]
        batch.append(Located("seg-1", n * 100_000 + i, stored))
    table = pure(batch, frozenset(), {})
    for name in DECIDED:
        field = EVENTS.arrow_schema.field(name)
        value = ACCEPTED if name == "disposition" else None
        table = table.append_column(field, pa.array([value] * ROWS, field.type))
    return table


def commits(home: Path, count: int) -> Iterator[tuple[float, float, int]]:
    """Of each commit: seconds with its ledger row, seconds of upkeep after it, bytes of the metadata file."""
    lake, clock = Lake(local(home)), Days(0)
    maintainer, before = Maintainer(lake, clock), ""
    settings = replace(Settings(), home=home / "rules")
    pure = stages(settings, bundle_in_force(settings)).pure
    for n in range(1, count + 1):
        plan = Plan(n, "log", "core-1", "0", n, (), dict.fromkeys(CHANNELS, ROWS // 4)).chained(before)
        rows = judged(n, pure)
        counted = flow.counts(plan, rows, {})
        began = time.perf_counter()
        lake.commit(EVENTS.name, n, flow.rows(plan, rows), before, plan.chain, counted)
        lake.commit(LEDGER.name, n, flow.ledger(plan, counted), before, plan.chain, counted)
        took_s = time.perf_counter() - began
        before, clock.n, began = plan.chain, n, time.perf_counter()
        maintainer.turn(n)
        yield took_s, time.perf_counter() - began, _head_bytes(lake)


def _head_bytes(lake: Lake) -> int:
    location = lake.store.load(EVENTS.name).metadata_location
    return Path(location.removeprefix("file://")).stat().st_size


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 1)


def main() -> int:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--commits", type=int, default=500)
    count: int = parser.parse_args().commits
    with tempfile.TemporaryDirectory() as folder:
        took = list(commits(Path(folder), count))
    marks = [n for n in (WINDOW, 100, 500, 1_000, 2_500, 5_000, 10_000) if n <= count]
    found = {
        "commits": count,
        "median_ms_at": {n: _ms(statistics.median(each[0] for each in took[n - WINDOW : n])) for n in marks},
        "metadata_json_bytes_at": {n: took[n - 1][2] for n in marks},
        "p99_ms": _ms(sorted(each[0] for each in took)[int(len(took) * 0.99)]),
        "upkeep_ms_a_commit": _ms(statistics.mean(each[1] for each in took)),
        "upkeep_ms_longest": _ms(max(each[1] for each in took)),
    }
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
