"""What can be read back, and from damaged files."""

from __future__ import annotations

from datetime import date
from pathlib import PurePath

import pyarrow as pa
import pytest
from pyiceberg.table import DataScan, FileScanTask

from catalog.errors import Stopped, UnsafeStore
from catalog.lake import read
from catalog.lake.commit import Lake
from catalog.lake.folder import Folder
from catalog.tables import EVENTS, LEDGER
from tests.catalog.lake.conftest import CHANNELS, Disk, events, put


@pytest.fixture
def filled(lake: Lake) -> Lake:
    """Plans 1 to 4 of eight rows; the last one is of another day."""
    for seq in (1, 2, 3):
        put(lake, seq)
    put(lake, 4, events(4, 8, day=date(2026, 1, 3)))
    return lake


def test_rows_come_back_as_they_were_given(filled: Lake) -> None:
    assert read.rows(filled, EVENTS.name, 2, 3) == pa.concat_tables([events(2, 8), events(3, 8)])
    assert read.rows(filled, EVENTS.name, 5, 9) == EVENTS.arrow_schema.empty_table()


def test_columns_are_chosen_and_ordered(filled: Lake) -> None:
    found = read.rows(filled, EVENTS.name, 4, 4, ["text", "event_id"])
    assert found == events(4, 8).select(["text", "event_id"])


def test_rows_read_back_can_be_committed(filled: Lake) -> None:
    put(filled, 5, read.rows(filled, EVENTS.name, 1, 1))
    assert filled.head(EVENTS.name).commit_seq == 5


def test_files_of_other_plans_are_not_opened(filled: Lake, disk: Disk) -> None:
    for path in read.data_files(filled, EVENTS.name).paths:
        if disk.rows(path)["plan"][0].as_py() != 2:
            disk.remove(path)
    assert read.rows(filled, EVENTS.name, 2, 2) == events(2, 8)


def test_data_files_belong_to_one_snapshot(filled: Lake, disk: Disk) -> None:
    seq, paths = read.data_files(filled, EVENTS.name)
    assert seq == 4
    assert len(paths) == 16
    assert sum(disk.rows(path).num_rows for path in paths) == 32
    assert {PurePath(path).parts[-3:-1] for path in paths} == {
        (f"event_date={day}", f"channel={channel}")
        for day in ("2026-01-02", "2026-01-03")
        for channel in CHANNELS
    }


def test_one_event_and_its_file(filled: Lake, disk: Disk) -> None:
    wanted = events(3, 8).to_pylist()[5]
    found = read.row(filled, wanted["event_id"])
    assert found is not None
    assert found.values == wanted
    assert wanted["event_id"] in disk.rows(found.data_file)["event_id"].to_pylist()
    assert read.row(filled, "0" * 32) is None


def test_identities_and_counts(filled: Lake) -> None:
    found = read.table_ids(filled)
    assert (found.commit_seq, found.unreadable) == (4, [])
    assert found.rows.schema.names == [*read.IDENTITY, "data_file"]
    expected = pa.concat_tables([events(n, 8).select(read.IDENTITY) for n in (1, 2, 3)])
    order = [("plan", "ascending"), ("offset", "ascending")]
    assert found.rows.select(read.IDENTITY).sort_by(order).slice(0, 24) == expected
    assert read.counts(filled, 99) == {channel: {"accepted": 8} for channel in CHANNELS}


def test_a_file_rewritten_in_place_shows_what_it_holds_now(filled: Lake, disk: Disk) -> None:
    path = read.data_files(filled, EVENTS.name).paths[0]
    disk.put_rows(path, disk.rows(path).slice(1))
    found = read.table_ids(filled)
    assert found.unreadable == []
    assert found.rows.num_rows == 31


@pytest.mark.parametrize("damage", ["gone", "torn", "emptied", "reshaped"])
def test_an_unreadable_file_is_reported(filled: Lake, disk: Disk, damage: str) -> None:
    path = read.data_files(filled, EVENTS.name).paths[3]
    if damage == "gone":
        disk.remove(path)
    elif damage == "reshaped":
        disk.put_rows(path, pa.table({"event_id": ["a"]}))
    else:
        disk.write(path, disk.read(path)[:-100] if damage == "torn" else b"")
    found = read.table_ids(filled)
    assert found.unreadable == [path]
    assert found.rows.num_rows == 30
    with pytest.raises(Stopped, match="cannot be read"):
        read._read(filled, path, read.IDENTITY)


@pytest.mark.parametrize("kept_ratio", [0.0, 0.5, 0.9])
def test_a_torn_file_stops_the_reader_and_is_named(filled: Lake, disk: Disk, kept_ratio: float) -> None:
    torn = filled.store.load(EVENTS.name).inspect.files()["file_path"][5].as_py()
    content = disk.read(torn)
    disk.write(torn, content[: int(len(content) * kept_ratio)])
    for reading in (lambda: read.rows(filled, EVENTS.name, 1, 4), lambda: read.counts(filled, 4)):
        with pytest.raises(Stopped) as stopped:
            reading()
        assert stopped.value.fields == {"file": torn}


def test_a_file_that_cannot_be_opened_now_is_tried_again(filled: Lake, disk: Disk) -> None:
    disk.remove(filled.store.load(EVENTS.name).inspect.files()["file_path"][5].as_py())
    with pytest.raises(FileNotFoundError):
        read.counts(filled, 4)


def test_a_snapshot_says_what_another_engine_needs(filled: Lake) -> None:
    found = read.snapshot(filled, EVENTS.name)
    assert (found.commit_seq, found.source_seq) == (4, 0)
    assert set(found.files) == set(read.data_files(filled, EVENTS.name).paths)
    fields = {field.name: (field.field_id, field.type) for field in found.schema}
    assert fields["event_id"] == (1, "string")
    assert fields["band_hashes"] == (17, "list<long>")
    empty = read.snapshot(filled, LEDGER.name)
    assert (empty.commit_seq, empty.snapshot_id, empty.files) == (0, None, ())


def test_tables_that_did_not_move_are_not_read_again(filled: Lake) -> None:
    names = (EVENTS.name, LEDGER.name)
    before = read.snapshots(filled, names, {})
    put(filled, 5)
    after = read.snapshots(filled, names, before)
    assert after[LEDGER.name] is before[LEDGER.name]
    assert after[EVENTS.name].commit_seq == 5


def test_commits_meanwhile_may_remove_the_metadata_that_was_named(
    filled: Lake, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = filled.store.locations((EVENTS.name,))
    for seq in range(5, 18):
        put(filled, seq)
    assert not disk.exists(named[EVENTS.name])
    answers = iter([named, filled.store.locations((EVENTS.name,))])
    monkeypatch.setattr(filled.store, "locations", lambda names: next(answers))
    assert read.snapshot(filled, EVENTS.name).commit_seq == 17


def test_metadata_that_stays_gone_stops(filled: Lake) -> None:
    folder = Folder(filled.store.load(EVENTS.name))
    for path in folder.listed():
        folder.delete(path)
    with pytest.raises(Stopped, match="metadata is gone"):
        read.snapshots(filled, (LEDGER.name, EVENTS.name), {})


def test_a_table_with_delete_files_is_refused(filled: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = DataScan.plan_files

    def deleted(scan: DataScan) -> list[FileScanTask]:
        tasks = list(plan(scan))
        return [FileScanTask(task.file, delete_files={task.file}) for task in tasks]

    monkeypatch.setattr(DataScan, "plan_files", deleted)
    with pytest.raises(UnsafeStore, match="delete files"):
        read.snapshot(filled, EVENTS.name)
