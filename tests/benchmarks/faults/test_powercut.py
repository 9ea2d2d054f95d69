"""The file system that forgets keeps what was synced, loses what was not, and is otherwise a file system."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

import lmdb
import pytest

from benchmarks.faults.disk import File, Folder, Write, cut
from benchmarks.faults.powercut import PowerCut
from catalog.errors import BadInput, Unavailable


@pytest.fixture
def power(tmp_path: Path) -> Iterator[PowerCut]:
    mountpoint = tmp_path / "mount"
    mountpoint.mkdir()
    with PowerCut() as power:
        power.start(mountpoint)
        yield power


@pytest.fixture
def mount(power: PowerCut) -> Path:
    return power.mountpoint


def forget(power: PowerCut) -> None:
    """The strictest cut, and on again."""
    power.cut(seed=0, forget_all=True)
    power.restore()


def write(path: Path, content: bytes, *, sync: bool = False, flags: int = os.O_TRUNC) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | flags)
    try:
        os.write(descriptor, content)
        if sync:
            os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def durable(path: Path, content: bytes) -> None:
    write(path, content, sync=True)
    sync_folder(path.parent)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def running(script: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that has printed its first line; it is killed in the end."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


class TestBytes:
    def test_bytes_without_a_sync_are_lost(self, power: PowerCut, mount: Path) -> None:
        durable(mount / "log", b"synced")
        write(mount / "log", b" lost", flags=os.O_APPEND)
        assert (mount / "log").read_bytes() == b"synced lost"
        forget(power)
        assert (mount / "log").read_bytes() == b"synced"

    def test_a_file_that_was_never_synced_is_empty(self, power: PowerCut, mount: Path) -> None:
        write(mount / "log", b"lost")
        sync_folder(mount)
        forget(power)
        assert (mount / "log").read_bytes() == b""

    def test_fdatasync_keeps_bytes_and_size(self, power: PowerCut, mount: Path) -> None:
        durable(mount / "log", b"first")
        write(mount / "log", b" second", sync=True, flags=os.O_APPEND)
        forget(power)
        assert (mount / "log").read_bytes() == b"first second"

    def test_a_truncation_needs_a_sync_too(self, power: PowerCut, mount: Path) -> None:
        durable(mount / "a", b"0123456789")
        durable(mount / "b", b"0123456789")
        os.truncate(mount / "a", 3)
        with (mount / "b").open("r+b") as file:
            file.truncate(3)
            os.fsync(file.fileno())
        forget(power)
        assert (mount / "a").read_bytes() == b"0123456789"
        assert (mount / "b").read_bytes() == b"012"

    @pytest.mark.parametrize("flag", [os.O_DSYNC, os.O_SYNC])
    def test_a_synced_descriptor_keeps_its_own_writes_only(
        self, power: PowerCut, mount: Path, flag: int
    ) -> None:
        durable(mount / "log", b"..........")
        write(mount / "log", b"##", flags=0)
        descriptor = os.open(mount / "log", os.O_WRONLY | flag)
        os.pwrite(descriptor, b"!!", 8)
        os.close(descriptor)
        assert (mount / "log").read_bytes() == b"##......!!"
        forget(power)
        assert (mount / "log").read_bytes() == b"........!!"

    def test_fsync_on_a_synced_descriptor_keeps_everything(self, power: PowerCut, mount: Path) -> None:
        durable(mount / "log", b"..........")
        write(mount / "log", b"##", flags=0)
        write(mount / "log", b"!!!", sync=True, flags=os.O_DSYNC | os.O_APPEND)
        forget(power)
        assert (mount / "log").read_bytes() == b"##........!!!"


class TestNames:
    def test_a_name_without_a_folder_sync_is_lost(self, power: PowerCut, mount: Path) -> None:
        write(mount / "log", b"synced", sync=True)
        forget(power)
        assert names(mount) == []

    def test_a_folder_needs_its_own_parent_synced(self, power: PowerCut, mount: Path) -> None:
        for name in ("kept", "lost"):
            (mount / name).mkdir()
            if name == "kept":
                sync_folder(mount)
            durable(mount / name / "log", b"synced")
        forget(power)
        assert names(mount) == ["kept"]
        assert (mount / "kept" / "log").read_bytes() == b"synced"

    def test_a_rename_shows_the_old_name_until_synced(self, power: PowerCut, mount: Path) -> None:
        durable(mount / "old", b"content")
        (mount / "old").rename(mount / "new")
        assert names(mount) == ["new"]
        forget(power)
        assert names(mount) == ["old"]
        (mount / "old").rename(mount / "new")
        sync_folder(mount)
        forget(power)
        assert names(mount) == ["new"]

    def test_a_rename_over_a_name_shows_the_old_content_until_synced(
        self, power: PowerCut, mount: Path
    ) -> None:
        durable(mount / "current", b"one")
        write(mount / "next", b"two", sync=True)
        (mount / "next").rename(mount / "current")
        assert (mount / "current").read_bytes() == b"two"
        forget(power)
        assert names(mount) == ["current"]
        assert (mount / "current").read_bytes() == b"one"

    def test_a_synced_rename_of_unsynced_bytes_leaves_an_empty_file(
        self, power: PowerCut, mount: Path
    ) -> None:
        durable(mount / "current", b"one")
        write(mount / "next", b"two")
        (mount / "next").rename(mount / "current")
        sync_folder(mount)
        forget(power)
        assert (mount / "current").read_bytes() == b""

    @pytest.mark.parametrize(
        ("synced", "left", "right"),
        [("", ["log"], []), ("left", [], []), ("right", ["log"], ["log"]), ("left right", [], ["log"])],
    )
    def test_a_move_is_durable_on_each_side_by_its_own_folder(
        self, power: PowerCut, mount: Path, synced: str, left: list[str], right: list[str]
    ) -> None:
        for name in ("left", "right"):
            (mount / name).mkdir()
        sync_folder(mount)
        durable(mount / "left" / "log", b"content")
        (mount / "left" / "log").rename(mount / "right" / "log")
        for name in synced.split():
            sync_folder(mount / name)
        forget(power)
        assert (names(mount / "left"), names(mount / "right")) == (left, right)

    def test_what_was_unlinked_reappears_until_synced(self, power: PowerCut, mount: Path) -> None:
        durable(mount / "log", b"content")
        (mount / "folder").mkdir()
        sync_folder(mount)
        (mount / "log").unlink()
        (mount / "folder").rmdir()
        assert names(mount) == []
        forget(power)
        assert names(mount) == ["folder", "log"]
        assert (mount / "log").read_bytes() == b"content"
        (mount / "log").unlink()
        (mount / "folder").rmdir()
        sync_folder(mount)
        forget(power)
        assert names(mount) == []

    def test_an_unlinked_file_serves_its_holders_and_leaves_no_name(
        self, power: PowerCut, mount: Path, tmp_path: Path
    ) -> None:
        durable(mount / "log", b"content")
        with (mount / "log").open("rb") as file:
            (mount / "log").unlink()
            sync_folder(mount)
            assert names(mount) == []
            assert os.fstat(file.fileno()).st_nlink == 0
            assert file.read() == b"content"
            power.dump(tmp_path / "image")
        assert names(tmp_path / "image") == []

    def test_a_second_name_survives_by_its_own_folder(self, power: PowerCut, mount: Path) -> None:
        durable(mount / "one", b"content")
        (mount / "two").hardlink_to(mount / "one")
        assert (mount / "two").stat().st_nlink == 2
        sync_folder(mount)
        (mount / "one").unlink()
        sync_folder(mount)
        forget(power)
        assert names(mount) == ["two"]
        assert (mount / "two").read_bytes() == b"content"

    def test_names_may_be_durable_early(self) -> None:
        def survivors(seed: int, early_names: bool) -> tuple[str, ...]:
            root = Folder(0o755)
            root.ino = 1
            for name in "abc":
                root.change({name: File(0o644)})
            root.change({"c": None, "d": File(0o644)})
            cut(root, seed, forget_all=False, early_names=early_names)
            return tuple(root.disk)

        assert {survivors(seed, False) for seed in range(20)} == {()}
        in_order = {(), ("a",), ("a", "b"), ("a", "b", "c"), ("a", "b", "d")}
        assert {survivors(seed, True) for seed in range(100)} == in_order


class TestTornWrites:
    def test_a_write_is_lost_kept_or_torn_at_a_sector(self) -> None:
        kept = set()
        for seed in range(200):
            file = File(0o644)
            file.write(Write(100, b"x" * 2000))
            file.settle(Random(seed))
            kept.add((file.disk.find(b"x"), len(file.disk)))
        sectors = (512, 1024, 1536, 2048)
        torn = {(100, sector) for sector in sectors} | {(sector, 2100) for sector in sectors}
        assert kept == torn | {(-1, 0), (100, 2100)}

    def test_each_write_has_a_fate_of_its_own(self) -> None:
        kept = set()
        for seed in range(200):
            file = File(0o644)
            for n in range(3):
                file.write(Write(512 * n, bytes([97 + n]) * 512))
            file.settle(Random(seed))
            kept.add(bytes(file.disk.replace(b"\0", b"")[::512]))
        assert kept == {b"", b"a", b"b", b"c", b"ab", b"ac", b"bc", b"abc"}

    def test_the_seed_decides(self, tmp_path: Path) -> None:
        def left_by(seed: int) -> list[bytes]:
            (tmp_path / "mount").mkdir(exist_ok=True)
            with PowerCut() as power:
                power.start(tmp_path / "mount")
                for n in range(8):
                    write(power.mountpoint / f"log-{n}", bytes([n + 1]) * 10_000)
                sync_folder(power.mountpoint)
                power.cut(seed)
                power.restore()
                return [(power.mountpoint / name).read_bytes() for name in names(power.mountpoint)]

        first = left_by(1)
        assert first == left_by(1)
        assert first != left_by(2)
        assert {len(content) for content in first} > {0, 10_000}


class TestPower:
    def test_nothing_works_between_cut_and_restore(self, power: PowerCut, mount: Path) -> None:
        durable(mount / "log", b"synced")
        descriptor = os.open(mount / "log", os.O_RDWR)
        os.write(descriptor, b"SYNC")
        power.cut(seed=0, forget_all=True)
        for attempt in (
            lambda: os.fsync(descriptor),
            lambda: os.write(descriptor, b"late"),
            lambda: write(mount / "new", b""),
            lambda: names(mount),
        ):
            with pytest.raises(OSError, match=os.strerror(errno.EIO)):
                attempt()
        power.restore()
        with pytest.raises(OSError, match=os.strerror(errno.ENOTCONN)):
            os.fsync(descriptor)
        os.close(descriptor)
        assert (mount / "log").read_bytes() == b"synced"

    def test_restoring_needs_a_cut(self, power: PowerCut) -> None:
        with pytest.raises(BadInput):
            power.restore()

    def test_dump_shows_what_is_durable_and_changes_nothing(
        self, power: PowerCut, mount: Path, tmp_path: Path
    ) -> None:
        (mount / "folder").mkdir()
        sync_folder(mount)
        durable(mount / "folder" / "log", b"synced")
        write(mount / "folder" / "log", b" lost", flags=os.O_APPEND)
        write(mount / "unnamed", b"")
        power.dump(tmp_path / "image")
        assert (tmp_path / "image" / "folder" / "log").read_bytes() == b"synced"
        assert names(tmp_path / "image") == ["folder"]
        assert names(mount) == ["folder", "unnamed"]
        assert (mount / "folder" / "log").read_bytes() == b"synced lost"

    def test_nothing_stays_mounted(self, tmp_path: Path) -> None:
        power = PowerCut()
        power.start(tmp_path)
        assert str(tmp_path) in Path("/proc/self/mounts").read_text()
        held = os.open(tmp_path, os.O_RDONLY)
        power.stop()
        power.stop()
        os.close(held)
        assert str(tmp_path) not in Path("/proc/self/mounts").read_text()

    def test_without_a_mountpoint_it_says_so(self, tmp_path: Path) -> None:
        with PowerCut() as power, pytest.raises(Unavailable):
            power.start(tmp_path / "missing")


class TestFileSystem:
    def test_exclusive_creation_times_modes_and_free_space(self, mount: Path) -> None:
        write(mount / "log", b"", flags=os.O_EXCL)
        with pytest.raises(FileExistsError):
            write(mount / "log", b"", flags=os.O_EXCL)
        os.utime(mount / "log", ns=(1_000_000_001, 2_000_000_002))
        (mount / "log").chmod(0o640)
        found = (mount / "log").stat()
        assert (found.st_atime_ns, found.st_mtime_ns) == (1_000_000_001, 2_000_000_002)
        assert found.st_mode & 0o7777 == 0o640
        assert os.statvfs(mount).f_bavail > 0

    def test_a_folder_in_use_is_not_removed_or_replaced(self, mount: Path) -> None:
        (mount / "full").mkdir()
        write(mount / "full" / "log", b"")
        (mount / "other").mkdir()
        for attempt in (lambda: (mount / "full").rmdir(), lambda: (mount / "other").rename(mount / "full")):
            with pytest.raises(OSError, match=os.strerror(errno.ENOTEMPTY)):
                attempt()

    def test_a_lock_is_exclusive_between_processes_and_dies_with_its_owner(self, mount: Path) -> None:
        hold = (
            "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
            "print('ready', flush=True); sys.stdin.read()"
        )
        write(mount / "lock", b"")
        with (mount / "lock").open("rb") as file:
            with running(hold, mount / "lock"), pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_a_shared_mapping_is_seen_by_others_and_durable_when_synced(
        self, power: PowerCut, mount: Path
    ) -> None:
        change = (
            "import mmap, sys; f = open(sys.argv[1], 'r+b'); m = mmap.mmap(f.fileno(), 8192);"
            "m[5000:5004] = b'seen'; print('ready', flush=True); sys.stdin.read()"
        )
        durable(mount / "map", bytes(8192))
        with (mount / "map").open("r+b") as file, closing(mmap.mmap(file.fileno(), 8192)) as mapping:
            with running(change, mount / "map"):
                assert mapping[5000:5004] == b"seen"
            mapping[0:6] = b"synced"
            mapping.flush()
            os.fsync(file.fileno())
            mapping[0:6] = b"unsync"
            power.cut(seed=0, forget_all=True)
        power.restore()
        assert (mount / "map").read_bytes()[:6] == b"synced"
        assert (mount / "map").read_bytes()[5000:5004] == b"seen"


SQLITE = """
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("PRAGMA journal_mode=WAL"); c.execute("PRAGMA synchronous=" + sys.argv[2])
c.execute("CREATE TABLE IF NOT EXISTS t (n)")
for n in range(int(sys.argv[3]), int(sys.argv[4])): c.execute("INSERT INTO t VALUES (?)", (n,))
print("ready", flush=True); sys.stdin.read()
"""

LMDB = """
import lmdb, os, sys
e = lmdb.open(sys.argv[1], sync=sys.argv[2] == "sync", map_size=1 << 26)
d = os.open(sys.argv[1], os.O_RDONLY); os.fsync(d)
for n in range(int(sys.argv[3]), int(sys.argv[4])):
    with e.begin(write=True) as t: t.put(b"%03d" % n, b"x" * 1000)
print("ready", flush=True); sys.stdin.read()
"""


def rows(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [n for (n,) in connection.execute("SELECT n FROM t ORDER BY n")]


def keys(path: Path) -> list[int]:
    with lmdb.open(str(path), map_size=1 << 26) as environment, environment.begin() as transaction:
        return [int(key) for key, _ in transaction.cursor()]


class TestDatabases:
    @pytest.mark.parametrize("forget_all", [True, False])
    def test_sqlite_keeps_full_commits_seen_by_two_processes(
        self, power: PowerCut, mount: Path, forget_all: bool
    ) -> None:
        path = mount / "control.db"
        with running(SQLITE, path, "FULL", 0, 20), running(SQLITE, path, "FULL", 20, 40):
            assert rows(path) == list(range(40))
            power.cut(seed=3, forget_all=forget_all)
        power.restore()
        assert rows(path) == list(range(40))

    def test_sqlite_loses_commits_that_were_not_synced(self, power: PowerCut, mount: Path) -> None:
        path = mount / "control.db"
        with running(SQLITE, path, "FULL", 0, 20):
            with running(SQLITE, path, "OFF", 20, 40):
                assert rows(path) == list(range(40))
            power.cut(seed=3, forget_all=True)
        power.restore()
        assert rows(path) == list(range(20))

    @pytest.mark.parametrize("forget_all", [True, False])
    def test_lmdb_keeps_synced_transactions(self, power: PowerCut, mount: Path, forget_all: bool) -> None:
        (mount / "ids").mkdir()
        sync_folder(mount)
        with running(LMDB, mount / "ids", "sync", 0, 20):
            power.cut(seed=3, forget_all=forget_all)
        power.restore()
        assert keys(mount / "ids") == list(range(20))

    def test_lmdb_loses_transactions_that_were_not_synced(self, power: PowerCut, mount: Path) -> None:
        (mount / "ids").mkdir()
        sync_folder(mount)
        with running(LMDB, mount / "ids", "sync", 0, 20):
            pass
        with running(LMDB, mount / "ids", "nosync", 20, 40):
            power.cut(seed=3, forget_all=True)
        power.restore()
        assert keys(mount / "ids") == list(range(20))
