"""The commit as timelines: each step, who may be faster, and what is known after an error."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from catalog import failpoints
from catalog.errors import (
    BadInput,
    ChainBroken,
    CommitConflict,
    CommitGap,
    CommitUnknown,
    NotDurable,
    Unavailable,
    UnsafeStore,
)
from catalog.lake import read
from catalog.lake.commit import COMMIT_SEQ, Lake
from catalog.lake.store import LakePlace
from catalog.lake.swap import SNAPSHOT_SEQ, swap
from catalog.tables import EVENTS, LEDGER
from tests.catalog.lake.conftest import ON_FILES, Crash, at, chain, crash_at, events, ledger, put

NONE = EVENTS.arrow_schema.empty_table()


def plans(lake: Lake) -> list[int]:
    """The plan of every row, once."""
    return sorted(set(read.rows(lake, EVENTS.name, 0, 99, ["plan"])["plan"].to_pylist()))


def doubled(lake: Lake) -> int:
    """Rows beyond one per event."""
    ids = read.table_ids(lake).rows["event_id"]
    return len(ids) - len(ids.unique())


def test_rows_and_number_arrive_together(lake: Lake) -> None:
    assert not put(lake, 1)
    assert not put(lake, 2)
    counts = {"sms": {"accepted": 2, "duplicate": 0}}
    assert lake.head(EVENTS.name) == (2, "c2", {"sms": {"accepted": 3, "duplicate": 0}}, counts)
    assert plans(lake) == [1, 2]
    summaries = [each.summary for each in lake.store.load(EVENTS.name).snapshots()]
    assert [each[SNAPSHOT_SEQ] for each in summaries if each] == ["1", "2"]


def test_a_plan_without_rows_is_committed_too(lake: Lake) -> None:
    assert not put(lake, 1, NONE)
    assert lake.head(EVENTS.name).commit_seq == 1
    assert lake.store.load(EVENTS.name).current_snapshot() is not None


def test_a_committed_plan_is_not_committed_again(lake: Lake) -> None:
    put(lake, 1)
    put(lake, 2)
    before = lake.head(EVENTS.name)
    assert put(lake, 1)
    assert put(lake, 2)
    assert lake.head(EVENTS.name) == before
    assert doubled(lake) == 0


def test_a_gap_stops(lake: Lake) -> None:
    put(lake, 1)
    with pytest.raises(CommitGap):
        put(lake, 3)
    assert plans(lake) == [1]


def test_a_table_of_another_history_stops(lake: Lake) -> None:
    put(lake, 1)
    with pytest.raises(ChainBroken):
        lake.commit(EVENTS.name, 2, events(2, 8), "another", "c2", {})
    assert plans(lake) == [1]


def test_totals_go_on_from_the_counts_of_every_plan(lake: Lake) -> None:
    outcomes: list[dict[str, dict[str, int]]] = [
        {"sms": {"accepted": 2}},
        {},
        {"sms": {"accepted": 1, "duplicate": 3}, "social": {"accepted": 0}},
    ]
    for n, counts in enumerate(outcomes, 1):
        lake.commit(EVENTS.name, n, NONE, chain(n - 1), chain(n), counts)
        put(lake, n)  # again, which counts nothing
    head = lake.head(EVENTS.name)
    assert head.totals == {"sms": {"accepted": 3, "duplicate": 3}, "social": {"accepted": 0}}
    assert head.counts == outcomes[-1]


@pytest.mark.parametrize("rows", [NONE, None], ids=["empty", "rows"])
@pytest.mark.parametrize("point", ["commit.loaded", "commit.staged"])
def test_of_two_with_one_plan_the_faster_wins(
    lake: Lake, rival: Lake, rows: pa.Table | None, point: str
) -> None:
    put(lake, 1)
    with at(point, lambda: put(rival, 2)), pytest.raises(CommitConflict):
        put(lake, 2, rows)
    assert lake.head(EVENTS.name).commit_seq == 2
    assert plans(lake) == [1, 2]
    assert doubled(lake) == 0


@pytest.mark.parametrize("rows", [NONE, None], ids=["empty", "rows"])
def test_a_writer_asleep_for_several_plans_does_not_move_the_number_back(
    lake: Lake, rival: Lake, rows: pa.Table | None
) -> None:
    def overtake() -> None:
        for seq in (1, 2, 3):
            put(rival, seq)

    with at("commit.staged", overtake), pytest.raises(CommitConflict):
        put(lake, 1, rows)
    assert lake.head(EVENTS.name).commit_seq == 3
    assert doubled(lake) == 0


def test_a_writer_asleep_inside_the_catalogs_swap_is_refused(lake: Lake, rival: Lake) -> None:
    files = 0

    def wake_late(point: str) -> None:
        nonlocal files
        files += point == "file.synced"
        # Four data files, a manifest and a manifest list; the seventh is the metadata the swap names.
        if point == "file.synced" and files == 7:
            failpoints.observe(None)
            put(rival, 1)

    failpoints.observe(wake_late)
    with pytest.raises(CommitConflict):
        put(lake, 1)
    assert files == 7
    assert lake.head(EVENTS.name).commit_seq == 1
    assert doubled(lake) == 0


def test_properties_alone_are_not_guarded_and_are_refused(lake: Lake, rival: Lake) -> None:
    stale = rival.store.load(EVENTS.name).transaction().set_properties({COMMIT_SEQ: "3"})
    for seq in (1, 2, 3, 4, 5):
        put(lake, seq, NONE)
    with pytest.raises(UnsafeStore, match="adds no snapshot"):
        swap(stale)
    assert lake.head(EVENTS.name).commit_seq == 5
    # What the library does with it: the reason for the empty append.
    stale.commit_transaction()
    assert lake.head(EVENTS.name).commit_seq == 3


def test_an_error_after_the_swap_is_an_unknown_outcome(lake: Lake) -> None:
    failpoints.arm("commit.swapped:raise@1")
    with pytest.raises(CommitUnknown):
        put(lake, 1)
    lake.reconnect()
    assert lake.head(EVENTS.name).commit_seq == 1
    assert put(lake, 1)
    assert plans(lake) == [1]


def test_an_error_right_before_the_swap_is_one_too(lake: Lake) -> None:
    failpoints.arm("commit.staged:raise@1")
    with pytest.raises(CommitUnknown):
        put(lake, 1)
    lake.reconnect()
    assert lake.head(EVENTS.name).commit_seq == 0
    assert not put(lake, 1)


def test_a_warning_after_the_swap_is_one_too(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(SqlCatalog, "_delete_old_metadata", staticmethod(full))
    with pytest.raises(CommitUnknown) as caught:
        put(lake, 1)
    assert caught.value.fields["cause"] == "UserWarning"
    assert lake.head(EVENTS.name).commit_seq == 1


def test_files_of_an_unknown_outcome_are_kept(lake: Lake) -> None:
    failpoints.arm("commit.swapped:raise@1")
    with pytest.raises(CommitUnknown):
        put(lake, 1)
    assert read.table_ids(lake).unreadable == []
    assert read.rows(lake, EVENTS.name, 1, 1).num_rows == 8


@ON_FILES
def test_a_refused_commit_is_not_read_back_as_done(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    dialect = lake.store._catalog.engine.dialect

    def busy(_: Any) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(dialect, "do_commit", busy)
    # As a pool that hands the connection out again, its transaction still open.
    monkeypatch.setattr(dialect, "do_rollback", lambda _: None)
    with pytest.raises(CommitUnknown):
        put(lake, 1)
    assert lake.head(EVENTS.name).commit_seq == 0
    lake.reconnect()
    assert not put(lake, 1)
    assert plans(lake) == [1]


@ON_FILES
def test_a_full_disk_before_the_swap_says_that_nothing_happened(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, hits = os.fdatasync, []

    def full(descriptor: int) -> None:
        hits.append(descriptor)
        if len(hits) == 3:
            raise OSError(errno.ENOSPC, "no space left")
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(NotDurable):
        put(lake, 1)
    assert lake.head(EVENTS.name).commit_seq == 0
    assert not put(lake, 1)
    assert doubled(lake) == 0


@pytest.mark.parametrize(
    ("point", "seq"), [("commit.loaded", 0), ("file.written", 0), ("commit.staged", 0), ("commit.swapped", 1)]
)
def test_a_crash_at_any_step_leaves_all_or_nothing(
    lake: Lake, place: LakePlace, point: str, seq: int
) -> None:
    with crash_at(point):
        put(lake, 1)
    after = Lake(place)
    assert after.head(EVENTS.name).commit_seq == seq
    assert put(after, 1) is bool(seq)
    assert plans(after) == [1]
    assert doubled(after) == 0


def test_the_ledger_has_a_number_and_failpoints_of_its_own(lake: Lake) -> None:
    passed: list[str] = []
    failpoints.observe(lambda name: None if name.startswith("file") else passed.append(name))
    assert not put(lake, 1, ledger(1), LEDGER.name)
    failpoints.observe(None)
    assert passed == ["ledger.staged", "ledger.swapped"]
    assert (lake.head(LEDGER.name).commit_seq, lake.head(EVENTS.name).commit_seq) == (1, 0)
    assert read.rows(lake, LEDGER.name, 1, 1) == ledger(1)


def test_rows_of_another_shape_are_refused_without_quoting_them(lake: Lake) -> None:
    rows = events(1, 2).set_column(0, "event_id", pa.array(["secret", None], pa.large_string()))
    for wrong in (rows, rows.drop_columns(["text"])):
        with pytest.raises(BadInput) as caught:
            put(lake, 1, wrong)
        assert "secret" not in str(caught.value)
    assert lake.head(EVENTS.name).commit_seq == 0


@ON_FILES
def test_a_silent_catalog_is_unavailable(lake: Lake, home: Path) -> None:
    (home / "catalog.db").rename(home / "away")
    with pytest.raises(Unavailable):
        lake.head(EVENTS.name)


class TestHistory:
    """Property and snapshots must tell the same story."""

    def test_agreement(self, lake: Lake) -> None:
        assert lake.check_history(EVENTS.name)
        put(lake, 1)
        assert lake.check_history(EVENTS.name)

    def test_rolled_back(self, lake: Lake) -> None:
        for seq in (1, 2):
            put(lake, seq)
        table = lake.store.load(EVENTS.name)
        table.manage_snapshots().rollback_to_snapshot(table.snapshots()[0].snapshot_id).commit()
        with pytest.raises(ChainBroken) as caught:
            lake.check_history(EVENTS.name)
        assert caught.value.fields == {"table": EVENTS.name, "property": 2, "snapshot": 1}

    def test_property_moved(self, lake: Lake) -> None:
        put(lake, 1)
        lake.store.load(EVENTS.name).transaction().set_properties({COMMIT_SEQ: "7"}).commit_transaction()
        with pytest.raises(ChainBroken):
            lake.check_history(EVENTS.name)

    def test_a_strangers_snapshot_is_looked_through(self, lake: Lake) -> None:
        put(lake, 1)
        lake.store.load(EVENTS.name).append(NONE)
        assert lake.check_history(EVENTS.name)

    def test_only_strangers_left(self, lake: Lake) -> None:
        put(lake, 1)
        lake.store.load(EVENTS.name).append(NONE)
        table = lake.store.load(EVENTS.name)
        table.maintenance.expire_snapshots().by_id(table.snapshots()[0].snapshot_id).commit()
        assert not lake.check_history(EVENTS.name)


def test_a_crash_is_not_caught_as_an_error() -> None:
    assert not issubclass(Crash, Exception)
