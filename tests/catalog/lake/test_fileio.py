"""Nothing that the catalog names may be lost by a power cut."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from sqlalchemy import event

from catalog import failpoints
from catalog.lake import fileio
from catalog.lake.commit import Lake
from catalog.lake.fileio import SyncedFileIO
from catalog.lake.folder import Folder
from catalog.lake.upkeep import _referenced
from catalog.tables import EVENTS
from tests.catalog.lake.conftest import ON_FILES, put


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths in the order they were synced, files and folders."""
    paths: list[str] = []

    def recorded(real):  # type: ignore[no-untyped-def]
        def sync(descriptor: int) -> None:
            real(descriptor)
            paths.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))

        return sync

    monkeypatch.setattr(os, "fsync", recorded(os.fsync))
    monkeypatch.setattr(os, "fdatasync", recorded(os.fdatasync))
    return paths


@ON_FILES
def test_every_named_file_and_folder_is_durable_before_the_swap(
    lake: Lake, home: Path, synced: list[str]
) -> None:
    at_swap: list[str] = []
    event.listen(lake.store._catalog.engine, "commit", lambda _: at_swap.extend(synced))
    put(lake, 1)
    folder = home / "warehouse" / "structured" / "events"
    loaded = lake.store.load(EVENTS.name)
    files = Folder(loaded)
    before = {files.path(entry.metadata_file) for entry in loaded.metadata.metadata_log}
    named = _referenced(loaded, files) - before
    assert len(named) == 4 + 3
    for path in named:
        assert path in at_swap
        assert str(Path(path).parent) in at_swap[at_swap.index(path) :]
    new_folders = {Path(path).parent for path in named} | {folder / "data" / "event_date=2026-01-02"}
    for new in new_folders:
        assert str(new.parent) in at_swap


def test_a_folder_left_by_a_dead_process_is_made_durable_too(home: Path, synced: list[str]) -> None:
    left = home / "warehouse" / "t" / "data" / "day=1"
    left.mkdir(parents=True)
    files = SyncedFileIO({"warehouse": str(home / "warehouse")})
    with files.new_output(str(left / "a")).create() as stream:
        stream.write(b"x")
    assert synced == [str(each) for each in (left / "a", left, *left.parents[:3])]
    synced.clear()
    with files.new_output(str(left / "b")).create() as stream:
        stream.write(b"x")
    assert synced == [str(left / "b"), str(left)]


def test_a_folder_made_again_is_made_durable_again(home: Path, synced: list[str]) -> None:
    folder = home / "warehouse" / "again"
    files = SyncedFileIO({"warehouse": str(home / "warehouse")})
    for _ in range(2):
        synced.clear()
        with files.new_output(str(folder / "a")).create():
            pass
        assert str(folder.parent) in synced
        (folder / "a").unlink()
        folder.rmdir()


def test_a_folder_whose_parents_could_not_be_synced_is_tried_again(
    home: Path, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    left = home / "warehouse" / "t" / "data"
    files = SyncedFileIO({"warehouse": str(home / "warehouse")})
    real, full = fileio.sync_folder, home / "warehouse"

    def failing(folder: Path) -> None:
        if folder == full:
            raise OSError(errno.EIO, "failing device")
        real(folder)

    monkeypatch.setattr(fileio, "sync_folder", failing)
    stream = files.new_output(str(left / "a")).create()
    with pytest.raises(OSError, match="failing device"):
        stream.close()
    monkeypatch.setattr(fileio, "sync_folder", real)
    with files.new_output(str(left / "b")).create():
        pass
    assert str(full) in synced


def test_the_failpoints_stand_around_the_sync(home: Path, synced: list[str]) -> None:
    failpoints.observe(synced.append)
    with SyncedFileIO().new_output(str(home / "a")).create() as stream:
        stream.write(b"x")
    stream.close()
    assert synced == ["file.written", str(home / "a"), "file.synced", str(home)]


def test_a_failed_sync_is_not_tried_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def failing(descriptor: int) -> None:
        calls.append(descriptor)
        raise OSError(errno.EIO, "failing device")

    monkeypatch.setattr(os, "fdatasync", failing)
    stream = SyncedFileIO().new_output(str(home / "a")).create()
    stream.write(b"x")
    with pytest.raises(OSError, match="failing device"):
        stream.close()
    stream.close()
    assert len(calls) == 1


def test_an_output_is_created_once_unless_overwritten(home: Path) -> None:
    output = SyncedFileIO().new_output(str(home / "deep" / "a"))
    with output.create() as stream:
        stream.write(b"one")
    with pytest.raises(FileExistsError):
        output.create()
    with output.create(overwrite=True) as stream:
        stream.write(b"two!")
    assert len(output) == 4
    with output.to_input_file().open() as stream:
        assert stream.read() == b"two!"


def test_listing_sees_the_files_of_a_commit(lake: Lake) -> None:
    put(lake, 1)
    table = lake.store.load(EVENTS.name)
    folder = Folder(table)
    assert _referenced(table, folder) == set(folder.listed())
