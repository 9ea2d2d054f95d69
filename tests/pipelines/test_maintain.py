"""Upkeep comes after so many commits, to every table, and no rival stops it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from catalog.errors import CommitConflict
from catalog.lake import read, upkeep
from catalog.lake.commit import Lake
from catalog.lake.store import local
from catalog.tables import EVENTS, TABLES
from pipelines.maintain import COMPACT_COMMITS, EXPIRE_COMMITS, SWEEP_COMMITS, Maintainer
from tests.catalog.lake.conftest import DAY, events, put

NOON_US = int(datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC).timestamp() * 1_000_000)


class Noon:
    """The middle of the day whose events come."""

    def now_us(self) -> int:
        return NOON_US

    def elapsed_s(self) -> float:
        return 0.0


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = Lake(local(tmp_path))
    yield opened
    opened.close()


def test_the_day_that_goes_on_is_merged_and_its_snapshots_expire(lake: Lake) -> None:
    maintainer = Maintainer(lake, Noon())
    counts = []
    for seq in range(1, COMPACT_COMMITS + 2):
        put(lake, seq, events(seq, 2, channels=1))
        assert maintainer.turn(seq) is False
        counts.append(len(read.data_files(lake, EVENTS.name).paths))
    assert counts[-3:] == [COMPACT_COMMITS - 1, 1, 2]
    assert read.rows(lake, EVENTS.name, 1, 99).num_rows == 2 * (COMPACT_COMMITS + 1)
    assert len(lake.store.load(EVENTS.name).snapshots()) < COMPACT_COMMITS


def test_each_work_is_due_for_every_table_and_a_rival_is_no_trouble(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, str]] = []

    def noted(name: str) -> None:
        def work(lake: Lake, table: str, *_: object) -> None:
            done.append((name, table))
            if table == EVENTS.name:
                raise CommitConflict("a rival was faster", hint="")

        monkeypatch.setattr(upkeep, name, work)

    for name in ("expire", "compact", "sweep_orphans"):
        noted(name)
    maintainer = Maintainer(lake, Noon())
    maintainer.turn(0)
    maintainer.turn(EXPIRE_COMMITS - 1)
    assert done == []
    maintainer.turn(SWEEP_COMMITS)
    assert done == [(name, table) for name in ("expire", "compact", "sweep_orphans") for table in TABLES]
