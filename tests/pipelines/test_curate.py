"""The curated table is always what the facts say, whenever and however often it is built."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.expressions import EqualTo

from catalog.errors import CommitConflict
from catalog.lake import read
from catalog.lake.commit import Lake
from catalog.lake.rebuild import rebuild, source_seq
from catalog.lake.store import local
from catalog.tables import ACCEPTED, COMPLAINTS, DERIVED, DUPLICATE, EVENTS, QUARANTINED
from pipelines.curate import Curator, Learned

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOMORROW = NOON + timedelta(days=1)


class Hands:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def now_us(self) -> int:
        return int(NOON.timestamp() * 1_000_000)

    def elapsed_s(self) -> float:
        return self.at_s


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = Lake(local(tmp_path))
    yield opened
    opened.close()


def event(name: str, at: datetime = NOON, disposition: str = ACCEPTED, **more: Any) -> dict[str, Any]:
    event_id = name * 32
    return {
        "event_id": event_id,
        "id_origin": "provider",
        "channel": "sms",
        "source": "gateway",
        "event_time": at,
        "event_date": at.date(),
        "received_at": at,
        "processed_at": at,
        "text": f"text {name}",
        "disposition": disposition,
        "payload_digest": "0" * 32,
        "segment": "s",
        "offset": ord(name),
        "contract": "plain/1",
        "bundle": "b",
        "code_version": "0",
        "cluster_id": event_id,
    } | more


def commit(lake: Lake, n: int, *events: dict[str, Any]) -> None:
    rows = [event | {"plan": n} for event in events]
    table = pa.Table.from_pylist(rows, schema=EVENTS.arrow_schema)
    before = "" if n == 1 else f"c{n - 1}"
    assert not lake.commit(EVENTS.name, n, table, before, f"c{n}", {})


def curated(lake: Lake) -> dict[str, tuple[str, bool]]:
    """First letter of each event, its cluster's letter, and whether it stands for it."""
    rows = read.rows(lake, COMPLAINTS.name, 0, 10**9).to_pylist()
    found = {row["event_id"][0]: (row["cluster_id"][0], row["is_representative"]) for row in rows}
    assert len(found) == len(rows)
    return found


def built(lake: Lake, seq: int) -> dict[str, tuple[str, bool]]:
    Curator(lake, Hands(), 60.0).build(seq)
    assert source_seq(lake, COMPLAINTS.name) == seq
    return curated(lake)


def test_quarantined_events_are_no_complaints(lake: Lake) -> None:
    commit(lake, 1, event("a"), event("b", disposition=DUPLICATE, cluster_id="a" * 32), event("c"))
    commit(lake, 2, event("q", disposition=QUARANTINED, cluster_id=None))
    assert built(lake, 2) == {"a": ("a", True), "b": ("a", False), "c": ("c", True)}


def test_a_late_event_rebuilds_its_own_day_and_leaves_the_others_files(lake: Lake) -> None:
    commit(lake, 1, event("a"), event("b", TOMORROW))
    built(lake, 1)
    before = set(read.data_files(lake, COMPLAINTS.name).paths)
    commit(lake, 2, event("c"))
    assert built(lake, 2).keys() == {"a", "b", "c"}
    after = set(read.data_files(lake, COMPLAINTS.name).paths)
    assert len(before & after) == 1
    assert len(after) == 2


def test_a_bridge_joins_clusters_also_on_days_that_nobody_touched(lake: Lake) -> None:
    commit(lake, 1, event("b"), event("c", cluster_id="b" * 32))
    commit(lake, 2, event("a", TOMORROW + timedelta(days=3)))
    curator = Curator(lake, Hands(), 60.0)
    curator.build(2)
    commit(lake, 3, event("d", TOMORROW, cluster_id="a" * 32, bridges=["b" * 32]))
    curator.build(3)
    joined = {"b": ("b", True), "c": ("b", False), "a": ("b", False), "d": ("b", False)}
    assert curated(lake) == joined
    commit(lake, 4, event("e", TOMORROW + timedelta(days=9)))
    commit(lake, 5, event("f", TOMORROW, cluster_id="e" * 32, bridges=["a" * 32]))
    expected = joined | {"e": ("b", False), "f": ("b", False)}
    assert built(lake, 5) == expected  # by one that was not there for the first bridge


def test_joined_clusters_are_looked_for_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(lake, 1, event("b"), event("a", TOMORROW + timedelta(days=9)))
    curator = Curator(lake, Hands(), 60.0)
    curator.build(1)
    commit(lake, 2, event("d", TOMORROW + timedelta(days=9), cluster_id="a" * 32, bridges=["b" * 32]))
    days, reads = read.days, list[Any]()

    def noted(*given: Any) -> Iterator[Any]:
        for day, rows in days(*given):
            reads.append(day)
            yield day, rows

    monkeypatch.setattr(read, "days", noted)
    curator.build(2)
    complaints_and_numbers = 2
    assert reads.count(NOON.date()) == 1 + complaints_and_numbers
    assert curated(lake)["b"] == ("a", False)


CHAINS = ("", "c1", "c2", "c3")
"""As `commit` has them, by plan."""


def test_a_curator_built_anew_goes_on_from_what_was_learned(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(lake, 1, event("b"), event("a", TOMORROW + timedelta(days=9)))
    commit(lake, 2, event("c", TOMORROW + timedelta(days=9), cluster_id="a" * 32, bridges=["b" * 32]))
    learned = Learned()
    Curator(lake, Hands(), 60.0, learned).build(2)
    commit(lake, 3, event("d", TOMORROW + timedelta(days=9)))
    days, reads, again = read.days, list[Any](), Lake(local(tmp_path))

    def noted(*given: Any) -> Iterator[Any]:
        for day, rows in days(*given):
            reads.append(day)
            yield day, rows

    monkeypatch.setattr(read, "days", noted)
    learned.hold_to(again.head(EVENTS.name).commit_seq, CHAINS.__getitem__)
    Curator(again, Hands(), 60.0, learned).build(3)
    assert TOMORROW.date() + timedelta(days=9) in reads
    assert NOON.date() not in reads
    assert curated(again)["b"] == ("a", False)
    again.close()


def test_what_was_learned_of_another_history_is_forgotten(lake: Lake) -> None:
    commit(lake, 1, event("a"))
    for commit_seq, chains in ((1, ("", "other")), (0, CHAINS), (1, ("", None))):
        learned = Learned()
        Curator(lake, Hands(), 60.0, learned).build(1)
        learned.head = lake.head(EVENTS.name)
        learned.hold_to(1, CHAINS.__getitem__)
        assert learned.head is not None
        learned.hold_to(commit_seq, chains.__getitem__)
        assert learned.head is None


def test_what_was_not_learned_to_its_end_is_forgotten(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Lake, clusters: set[str], __: int) -> set[Any]:
        if clusters:
            raise OSError("a disk fails")
        return set()

    commit(lake, 1, event("b"), event("a", TOMORROW + timedelta(days=9)))
    learned = Learned()
    Curator(lake, Hands(), 60.0, learned).build(1)
    commit(lake, 2, event("c", TOMORROW + timedelta(days=9), cluster_id="a" * 32, bridges=["b" * 32]))
    monkeypatch.setattr(learned.aliases, "_locate", fails)
    with pytest.raises(OSError, match="a disk fails"):
        Curator(lake, Hands(), 60.0, learned).build(2)
    monkeypatch.undo()
    learned.hold_to(2, CHAINS.__getitem__)
    Curator(lake, Hands(), 60.0, learned).build(2)
    assert curated(lake)["b"] == ("a", False)


def test_a_build_that_lost_the_race_leaves_its_bridges_to_the_next(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: Any) -> None:
        raise CommitConflict("another writer moved the table")

    commit(lake, 1, event("b"), event("a", TOMORROW))
    curator = Curator(lake, Hands(), 60.0)
    curator.build(1)
    commit(lake, 2, event("c", TOMORROW, bridges=["a" * 32, "b" * 32]))
    with monkeypatch.context() as raced:
        raced.setattr("pipelines.curate.rebuild", lost)
        curator.build(2)
    commit(lake, 3, event("d", TOMORROW))
    curator.build(3)
    assert curated(lake)["b"] == ("a", False)


def test_building_step_by_step_and_at_once_is_the_same(tmp_path: Path) -> None:
    steps, once = Lake(local(tmp_path / "steps")), Lake(local(tmp_path / "once"))
    try:
        for n, letters in enumerate(["ab", "cd", "ea"[:1], "fg"], start=1):
            events = [event(c, NOON + timedelta(days=ord(c) % 3), cluster_id="a" * 32) for c in letters]
            commit(steps, n, *events)
            commit(once, n, *events)
            built(steps, n)
        assert curated(steps) == built(once, 4)
    finally:
        steps.close()
        once.close()


def test_it_waits_a_minute_between_two_builds(lake: Lake) -> None:
    clock = Hands()
    curator = Curator(lake, clock, 60.0)
    commit(lake, 1, event("a"))
    curator.turn(1)
    commit(lake, 2, event("b"))
    clock.at_s = 59.0
    curator.turn(2)
    assert source_seq(lake, COMPLAINTS.name) == 1
    clock.at_s = 60.0
    curator.turn(2)
    assert curated(lake).keys() == {"a", "b"}


def test_rows_of_later_commits_wait_for_their_own_build(lake: Lake) -> None:
    commit(lake, 1, event("a"))
    commit(lake, 2, event("b"))
    assert built(lake, 1).keys() == {"a"}
    assert built(lake, 2).keys() == {"a", "b"}


def test_a_rival_that_built_first_wins(lake: Lake, tmp_path: Path) -> None:
    commit(lake, 1, event("a"))
    rival = Lake(local(tmp_path))

    def days() -> Iterator[tuple[Any, pa.Table]]:
        built(rival, 1)
        yield NOON.date(), COMPLAINTS.arrow_schema.empty_table()

    with pytest.raises(CommitConflict):
        rebuild(lake, COMPLAINTS.name, days(), 1)
    assert curated(lake).keys() == {"a"}
    rival.close()


def test_a_sequencer_that_was_stopped_takes_nothing_back(lake: Lake, tmp_path: Path) -> None:
    commit(lake, 1, event("a"), event("b", TOMORROW))
    woken, rival = Curator(lake, Hands(), 60.0), Lake(local(tmp_path))
    commit(lake, 2, event("c", TOMORROW + timedelta(days=3), cluster_id="a" * 32, bridges=["b" * 32]))
    successor = Curator(rival, Hands(), 60.0)

    def overtaken(*_: Any) -> set[Any]:
        monkeypatch.undo()
        successor.build(2)
        return {NOON.date(), TOMORROW.date()}

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(woken, "_touched", overtaken)
        woken.build(1)
    assert [source_seq(lake, name) for name in DERIVED] == [2, 2]
    commit(lake, 3, event("d", TOMORROW + timedelta(days=5)))
    successor.build(3)
    assert curated(lake) == {"a": ("a", True), "b": ("a", False), "c": ("a", False), "d": ("d", True)}
    rival.close()


def test_a_cluster_whose_first_event_was_erased_is_stood_for_by_what_is_left(lake: Lake) -> None:
    commit(lake, 1, event("a"), event("b", TOMORROW), event("c", cluster_id="a" * 32))
    commit(lake, 2, event("d", TOMORROW, cluster_id="b" * 32, bridges=["a" * 32]))
    lake.store.load(EVENTS.name).delete(EqualTo("event_id", "a" * 32))
    both = {"b": ("b", True), "c": ("b", False), "d": ("b", False)}
    assert built(lake, 2) == both


def test_a_commit_of_quarantined_events_alone_moves_the_source_seq(lake: Lake) -> None:
    commit(lake, 1, event("q", disposition=QUARANTINED))
    assert built(lake, 1) == {}
