"""The year is one that the product could have written, and its figures are of warm answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks import year
from catalog.errors import BadInput, TooLarge
from catalog.lake import read
from catalog.lake.commit import Lake
from catalog.lake.store import local
from catalog.tables import COMPLAINTS, EVENTS, KPI_DAILY
from pipelines import kpis
from serve_apps.query.engine.port import Answer, Gone, Limits, Role, Value, never


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = Lake(local(tmp_path))
    yield opened
    opened.close()


def test_a_few_days_fill_every_table(lake: Lake) -> None:
    year.write(lake, 3, 400)
    events = read.rows(lake, EVENTS.name, 1, 3).to_pylist()
    assert 1_000 < len(events) == len({row["event_id"] for row in events})
    told = [row for row in events if row["disposition"] == "accepted" and row["is_complaint"]]
    held = [row for row in events if row["disposition"] == "quarantined"]
    days = read.whole(lake, KPI_DAILY.name).to_pylist()
    assert sum(row["complaints"] for row in days) == len(told)
    assert sum(row["quarantined"] for row in days) == len(held) > 0
    assert len(told) - sum(row["clusters"] for row in days) > 0
    found = read.rows(lake, COMPLAINTS.name, 1, 3)
    assert found.num_rows == len(events) - len(held)
    by_channel = Counter(row["channel"] for row in events)
    assert by_channel.most_common(1)[0][0] == "social"
    year.write(lake, 3, 400)
    with pytest.raises(BadInput, match="something else"):
        year.write(lake, 4, 400)


def test_the_numbers_alone_are_those_of_the_same_events(lake: Lake, tmp_path: Path) -> None:
    year.write(lake, 33, 30)
    alone = Lake(local(tmp_path / "alone"))
    year.write_numbers(alone, 33, 30)
    whole, numbers = (
        read.whole(each, KPI_DAILY.name).sort_by([(name, "ascending") for name in kpis.KEYS])
        for each in (lake, alone)
    )
    alone.close()
    assert numbers.num_rows == whole.num_rows
    assert numbers.drop_columns(["clusters"]) == whole.drop_columns(["clusters"])  # no bridges


class Slower:
    """An engine whose third answer is the first warm one; says how often it was asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def query(
        self, sql: str, params: Sequence[Value], role: Role, limits: Limits, gone: Gone = never
    ) -> Answer:
        self.asked[sql] += 1
        if "FROM events" in sql:
            raise TooLarge("no")
        return Answer(pa.table({"n": [1, 2]}), 1, False)

    def close(self) -> None: ...


def test_every_question_is_asked_warm_and_one_that_fails_is_named() -> None:
    engine = Slower()
    lines = list(year.report(engine, "duckdb", year.others()))
    kpis = year.of_kpis()
    assert {"complaints_by_day", "trend_by_category", "GET /query/v1/kpis/daily"} <= set(kpis)
    assert not {"provisional_days", "consistency", "ledger_balance"} & set(kpis)
    assert {engine.asked[query.sql] for query in kpis.values()} == {year.WARMING + year.RUNS}
    assert [line.split()[-2:] for line in lines[: len(kpis)]] == [["2", "rows"]] * len(kpis)
    assert lines[len(kpis)].startswith(f"slowest of {len(kpis)}: ")
    assert sum("not answered: too_large" in line for line in lines) == 3
