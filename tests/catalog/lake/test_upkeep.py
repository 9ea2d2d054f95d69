"""Upkeep between commits: nothing lost, nothing deleted that somebody may still need."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from greenlet import getcurrent, greenlet

from catalog import failpoints
from catalog.errors import CommitConflict, CommitUnknown, Stopped
from catalog.lake import read, upkeep
from catalog.lake.commit import Lake
from catalog.lake.folder import Folder
from catalog.lake.store import LakePlace
from catalog.lake.swap import SNAPSHOT_SEQ
from catalog.lake.upkeep import GRACE_US
from catalog.lake.write import stage
from catalog.tables import EVENTS, LEDGER
from tests.catalog.lake.conftest import DAY, Disk, at, crash_at, events, ledger, put
from tests.catalog.lake.templates import TEMPLATES, Template
from tests.daily import some

NEXT = DAY + timedelta(days=1)
ON_FILES = pytest.mark.parametrize("template", ["files"], indirect=True)


@pytest.fixture(scope="module", params=TEMPLATES)
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Plans 1 to 4 on a closed day, plan 5 on an open one."""
    made = TEMPLATES[request.param](request, tmp_path_factory.mktemp("template"))
    lake = Lake(made.place)
    for seq in (1, 2, 3, 4):
        put(lake, seq)
    put(lake, 5, events(5, 8, day=NEXT))
    lake.close()
    made.keep()
    return made


@pytest.fixture
def place(template: Template) -> LakePlace:
    """As the template was made, whatever a test did since."""
    template.restore()
    return template.place


@pytest.fixture
def filled(lake: Lake) -> Lake:
    return lake


def compact(lake: Lake) -> upkeep.Compacted | None:
    return upkeep.compact(lake, EVENTS.name, before=NEXT, min_files=4)


def on_disk(lake: Lake) -> set[str]:
    return set(Folder(lake.store.load(EVENTS.name)).listed())


def named(lake: Lake) -> set[str]:
    table = lake.store.load(EVENTS.name)
    return upkeep._referenced(table, Folder(table))


def folder(lake: Lake) -> str:
    return lake.store.load(EVENTS.name).location()


def clean(lake: Lake) -> None:
    """Everything upkeep does, twice with the grace period in between."""
    for now_us in (0, GRACE_US):
        compact(lake)
        upkeep.expire(lake, EVENTS.name, now_us, keep=1)
        upkeep.sweep_orphans(lake, EVENTS.name, now_us)


class TestCompaction:
    def test_rows_stay_and_files_become_few(self, filled: Lake) -> None:
        before = read.rows(filled, EVENTS.name, 1, 5)
        head = filled.head(EVENTS.name)
        assert compact(filled) == upkeep.Compacted(DAY, files_before=16, files_after=4, rows=32)
        assert read.rows(filled, EVENTS.name, 1, 5) == before
        assert len(read.data_files(filled, EVENTS.name).paths) == 8
        assert filled.head(EVENTS.name) == head

    def test_one_snapshot_that_says_what_it_is(self, filled: Lake) -> None:
        count = len(filled.store.load(EVENTS.name).snapshots())
        compact(filled)
        table = filled.store.load(EVENTS.name)
        assert len(table.snapshots()) == count + 1
        summary = table.current_snapshot().summary  # type: ignore[union-attr]
        assert summary is not None
        assert (summary[SNAPSHOT_SEQ], summary[upkeep.TURN]) == ("5", "compact")
        assert filled.check_history(EVENTS.name)

    def test_files_hold_their_rows_in_order(self, filled: Lake, disk: Disk) -> None:
        compact(filled)
        for path in read.data_files(filled, EVENTS.name).paths:
            rows = disk.rows(path)
            assert rows == rows.sort_by([("plan", "ascending"), ("offset", "ascending")])

    def test_young_and_tidy_days_are_left_alone(self, filled: Lake) -> None:
        assert upkeep.compact(filled, EVENTS.name, before=DAY, min_files=2) is None
        assert upkeep.compact(filled, EVENTS.name, before=NEXT, min_files=5) is None
        compact(filled)
        assert compact(filled) is None

    def test_an_open_day_waits_for_more_files(self, filled: Lake) -> None:
        before = read.rows(filled, EVENTS.name, 1, 5)
        assert upkeep.compact(filled, EVENTS.name, before=DAY, min_files=2, open_files=5) is None
        done = upkeep.compact(filled, EVENTS.name, before=DAY, min_files=2, open_files=4)
        assert done == upkeep.Compacted(DAY, files_before=16, files_after=4, rows=32)
        put(filled, 6)  # the day goes on
        assert read.rows(filled, EVENTS.name, 1, 5) == before

    def test_one_day_a_turn_the_fullest_first_then_the_oldest(self, filled: Lake) -> None:
        early, late = DAY - timedelta(days=3), DAY + timedelta(days=3)
        for seq, day in ((6, early), (7, early), (8, late), (9, late)):
            put(filled, seq, events(seq, 2, day=day, channels=1))
        days = [upkeep.compact(filled, EVENTS.name, date(2027, 1, 1), min_files=2) for _ in range(4)]
        assert [each and each.event_date for each in days] == [DAY, early, late, None]

    def test_what_grew_large_is_not_written_again_with_every_few_rows(self, filled: Lake, disk: Disk) -> None:
        put(filled, 6, events(6, 40_000, channels=1))
        large = max(read.data_files(filled, EVENTS.name).paths, key=lambda path: len(disk.read(path)))
        assert compact(filled) == upkeep.Compacted(DAY, files_before=16, files_after=4, rows=32)
        assert large in read.data_files(filled, EVENTS.name).paths

    def test_a_turn_is_bounded_and_the_next_goes_on(
        self, filled: Lake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(upkeep, "MERGE_FILES", 3)
        turns = [upkeep.compact(filled, EVENTS.name, before=NEXT, min_files=2) for _ in range(3)]
        assert [each and each.files_before for each in turns] == [12, 8, None]
        assert read.rows(filled, EVENTS.name, 1, 4).num_rows == 32

    def test_the_ledger_has_no_days(self, lake: Lake) -> None:
        for seq in (1, 2, 3):
            put(lake, seq, ledger(seq), LEDGER.name)
        before = read.rows(lake, LEDGER.name, 1, 3)
        done = upkeep.compact(lake, LEDGER.name, before=DAY, min_files=3)
        assert done == upkeep.Compacted(None, files_before=3, files_after=1, rows=12)
        assert read.rows(lake, LEDGER.name, 1, 3) == before

    def test_a_commit_meanwhile_wins(self, filled: Lake, rival: Lake) -> None:
        with at("compact.staged", lambda: put(rival, 6)), pytest.raises(CommitConflict):
            compact(filled)
        assert read.rows(filled, EVENTS.name, 1, 6).num_rows == 48
        assert compact(filled) is not None
        assert read.rows(filled, EVENTS.name, 1, 6).num_rows == 48

    def test_a_compaction_meanwhile_refuses_the_commit(self, filled: Lake, rival: Lake) -> None:
        with at("commit.staged", lambda: compact(rival)), pytest.raises(CommitConflict):
            put(filled, 6)
        put(filled, 6)
        assert read.rows(filled, EVENTS.name, 1, 6).num_rows == 48

    @staticmethod
    def closed_file(lake: Lake) -> str:
        return next(path for path in read.data_files(lake, EVENTS.name).paths if str(DAY) in path)

    def test_a_file_that_lost_rows_is_not_laundered(self, filled: Lake, disk: Disk) -> None:
        victim = self.closed_file(filled)
        disk.put_rows(victim, disk.rows(victim).slice(1))
        with pytest.raises(Stopped, match="do not hold the rows"):
            compact(filled)
        assert victim in read.data_files(filled, EVENTS.name).paths

    def test_a_torn_file_stops_it(self, filled: Lake, disk: Disk) -> None:
        victim = self.closed_file(filled)
        disk.write(victim, b"torn")
        with pytest.raises(Stopped, match="cannot be read"):
            compact(filled)

    def test_an_error_after_its_swap_is_unknown(self, filled: Lake) -> None:
        failpoints.arm("compact.swapped:raise@1")
        with pytest.raises(CommitUnknown):
            compact(filled)
        assert compact(filled) is None
        assert read.rows(filled, EVENTS.name, 1, 5).num_rows == 40


class TestExpiry:
    def test_the_newest_snapshots_stay(self, filled: Lake) -> None:
        assert upkeep.expire(filled, EVENTS.name, now_us=0, keep=2) == 3
        kept = [each.summary for each in filled.store.load(EVENTS.name).snapshots()]
        assert [each[SNAPSHOT_SEQ] for each in kept if each] == ["4", "5"]
        assert upkeep.expire(filled, EVENTS.name, now_us=0, keep=2) == 0
        assert filled.check_history(EVENTS.name)
        assert read.rows(filled, EVENTS.name, 1, 5).num_rows == 40

    def test_files_stay_for_the_longest_query(self, filled: Lake, disk: Disk) -> None:
        query = read.data_files(filled, EVENTS.name).paths
        compact(filled)
        start = 1_000_000_000_000
        upkeep.expire(filled, EVENTS.name, start, keep=1)
        swept = upkeep.sweep_orphans(filled, EVENTS.name, start)
        assert (swept.unreferenced > 16, swept.deleted) == (True, 0)
        for now_us in (start + GRACE_US - 1, start - GRACE_US):
            upkeep.expire(filled, EVENTS.name, now_us)
            upkeep.sweep_orphans(filled, EVENTS.name, now_us)
        assert all(disk.exists(path) for path in query)
        upkeep.expire(filled, EVENTS.name, start + GRACE_US)
        assert sum(disk.exists(path) for path in query) == 4
        assert named(filled) <= on_disk(filled)
        assert read.table_ids(filled).unreadable == []

    def test_a_commit_meanwhile_loses_nothing(self, filled: Lake, rival: Lake) -> None:
        with at("commit.staged", lambda: upkeep.expire(rival, EVENTS.name, 0, keep=1)):
            put(filled, 6)
        assert filled.head(EVENTS.name).commit_seq == 6
        assert read.rows(filled, EVENTS.name, 1, 6).num_rows == 48


class TestOrphans:
    def test_what_a_refused_commit_left_goes_and_nothing_else(self, filled: Lake, rival: Lake) -> None:
        with at("commit.staged", lambda: put(rival, 6)), pytest.raises(CommitConflict):
            put(filled, 6)
        orphans = on_disk(filled) - named(filled)
        assert len(orphans) == 4
        assert upkeep.sweep_orphans(filled, EVENTS.name, 0).unreferenced == 4
        assert upkeep.sweep_orphans(filled, EVENTS.name, GRACE_US).deleted == 4
        assert on_disk(filled) == named(filled)
        assert read.rows(filled, EVENTS.name, 1, 6).num_rows == 48

    def test_what_another_engine_named_since_it_was_noted_stays(self, filled: Lake, rival: Lake) -> None:
        """It tries again on the head that moved, where a commit of ours is refused."""
        base, head = rival.store.load(EVENTS.name), filled.store.load(EVENTS.name)
        append = base.transaction().update_snapshot().fast_append()
        file = stage(base, append, events(6, 1), itertools.count())[0]
        upkeep.sweep_orphans(filled, EVENTS.name, 0)
        late = filled.store.load(EVENTS.name).transaction()
        with late.update_snapshot().fast_append() as again:
            again.append_data_file(file)
        late.commit_transaction()
        assert head.metadata_location != filled.store.load(EVENTS.name).metadata_location
        assert upkeep.expire(filled, EVENTS.name, GRACE_US, keep=99) == 0
        assert upkeep.sweep_orphans(filled, EVENTS.name, 2 * GRACE_US).deleted == 0
        assert read.rows(filled, EVENTS.name, 6, 6) == events(6, 1)

    def test_a_lost_note_only_delays(self, filled: Lake, disk: Disk) -> None:
        disk.write(f"{folder(filled)}/data/stray.parquet", b"x")
        upkeep.sweep_orphans(filled, EVENTS.name, 0)
        disk.write(f"{folder(filled)}/unreferenced.json", b"{torn")
        assert upkeep.sweep_orphans(filled, EVENTS.name, GRACE_US).deleted == 0
        assert upkeep.sweep_orphans(filled, EVENTS.name, 2 * GRACE_US).deleted == 1

    def test_a_clock_that_was_far_ahead_does_not_keep_files_for_ever(self, filled: Lake, disk: Disk) -> None:
        disk.write(f"{folder(filled)}/data/stray.parquet", b"x")
        upkeep.sweep_orphans(filled, EVENTS.name, 4_000_000_000_000_000)
        upkeep.sweep_orphans(filled, EVENTS.name, 0)
        assert upkeep.sweep_orphans(filled, EVENTS.name, GRACE_US).deleted == 1

    @pytest.mark.parametrize("point", ["orphans.listed", "orphans.moved"])
    @pytest.mark.parametrize("work", [lambda lake: put(lake, 6), compact], ids=["commit", "compact"])
    def test_what_is_committed_meanwhile_stays(
        self, filled: Lake, rival: Lake, point: str, work: Callable[[Lake], object]
    ) -> None:
        with at(point, lambda: work(rival)):
            upkeep.sweep_orphans(filled, EVENTS.name, 0, grace_us=0)
        assert read.table_ids(filled).unreadable == []
        assert filled.head(EVENTS.name).commit_seq == read.table_ids(filled).commit_seq

    @pytest.mark.parametrize(
        ("work", "asleep"),
        [
            (lambda lake: put(lake, 6), ("commit.staged", 1)),
            # Files of the calling thread: the manifest list, then the metadata inside the catalog's swap.
            (lambda lake: put(lake, 6), ("file.synced", 1)),
            (lambda lake: put(lake, 6), ("file.synced", 2)),
            (compact, ("compact.staged", 1)),
            (compact, ("file.synced", 1)),
            (compact, ("file.synced", 2)),
        ],
    )
    @pytest.mark.parametrize("awake", ["orphans.listed", "orphans.moved", "orphans.deleted"])
    @ON_FILES  # of the catalog it needs only what the commit's own timelines hold it to
    def test_a_sleeper_never_wakes_to_missing_files(
        self, filled: Lake, rival: Lake, work: Callable[[Lake], object], asleep: tuple[str, int], awake: str
    ) -> None:
        """It has staged files when the sweep lists them, and wakes at one of the sweep's steps."""
        sweeping, outcome, passed = getcurrent(), [], 0

        def sleeper() -> None:
            try:
                work(rival)
            except CommitConflict:
                outcome.append("refused")
            else:
                outcome.append("done")

        sleeping = greenlet(sleeper)

        def schedule(point: str) -> None:
            nonlocal passed
            if getcurrent() is sleeping and point == asleep[0]:
                passed += 1
                if passed == asleep[1]:
                    sweeping.switch()
            elif getcurrent() is sweeping and point == awake:
                sleeping.switch()

        failpoints.observe(schedule)
        sleeping.switch()
        assert outcome == []
        upkeep.sweep_orphans(filled, EVENTS.name, 0, grace_us=0)
        failpoints.observe(None)
        assert outcome == ["done" if awake == "orphans.listed" else "refused"]
        found = read.table_ids(filled)
        assert found.unreadable == []
        assert found.rows.num_rows == 8 * found.commit_seq
        assert compact(filled) or outcome == ["done"]


CRASHES = [
    ("compact.staged", 1),
    ("compact.swapped", 1),
    ("expire.swapped", 1),
    ("expire.swapped", 2),
    ("expire.deleted", 2),
    ("orphans.listed", 1),
    ("orphans.moved", 1),
    ("orphans.deleted", 2),
]


@pytest.mark.parametrize(
    ("place", "point", "hit"),
    some([(place, *each) for place in ("files", "servers") for each in CRASHES], len(CRASHES) + 2),
    indirect=["place"],
)
def test_a_crash_anywhere_leaves_a_readable_table_and_work_for_later(
    filled: Lake, place: LakePlace, point: str, hit: int
) -> None:
    before = read.rows(filled, EVENTS.name, 1, 5)
    with crash_at(point, hit):
        clean(filled)
    after = Lake(place)
    assert read.rows(after, EVENTS.name, 1, 5) == before
    assert read.table_ids(after).unreadable == []
    assert after.check_history(EVENTS.name)
    clean(after)
    upkeep.sweep_orphans(after, EVENTS.name, 0, grace_us=0)
    assert on_disk(after) == named(after)
    assert len(read.data_files(after, EVENTS.name).paths) == 8
    assert read.rows(after, EVENTS.name, 1, 5) == before
    after.close()
