"""Files and failures of the local backend."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import resource
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from catalog import failpoints
from catalog.errors import CorruptFrame, NotDurable, WrongVersion
from catalog.log import files, frames
from catalog.log.files import HIDDEN_FILE
from catalog.log.frames import HEADER_BYTES
from catalog.log.local import LocalLog
from catalog.log.port import Bad
from tests.catalog.log.builders import (
    SMALL,
    FakeClock,
    envelope,
    envelopes,
    file_of,
    flip,
    let_go,
    offsets,
    open_log,
    open_writer,
    write_live,
    write_sealed,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture(autouse=True)
def _disarmed() -> object:
    yield
    failpoints.arm("")


def run(steps: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(_main(steps))


async def _main(steps: Callable[[], Awaitable[None]]) -> None:
    await steps()


def names(root: Path) -> list[str]:
    return sorted(path.suffix or path.name for path in root.iterdir())


def all_numbers(root: Path) -> list[int]:
    log = open_log(root)
    located = [
        one for segment in log.segments() for one in log.read(segment.name, segment.start, segment.end)
    ]
    return sorted(one.envelope.received_us - envelope(0).received_us for one in located if one.envelope)


def test_files_of_a_live_and_of_a_sealed_segment(root: Path) -> None:
    async def steps() -> None:
        writer = open_writer(root)
        assert names(root) == []
        await writer.append(envelopes(1))
        assert names(root) == [".durable", ".log"]
        assert all(path.stat().st_mode & 0o077 == 0 for path in root.iterdir())
        await writer.close()
        assert names(root) == [".sealed"]

    run(steps)


def test_nothing_is_named_or_acknowledged_before_it_is_synced(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def noted(what: str, real: Callable[[int], None]) -> Callable[[int], None]:
        def call(fd: int) -> None:
            path = Path(f"/proc/self/fd/{fd}").readlink()
            seen.append(f"{what} {path.suffix or 'folder'}")
            real(fd)

        return call

    def rename(path: Path, target: Path) -> None:
        seen.append(f"name {target.suffix}")
        path.replace(target)

    async def steps() -> None:
        writer = open_writer(root)
        monkeypatch.setattr(os, "fsync", noted("sync", os.fsync))
        monkeypatch.setattr(os, "fdatasync", noted("sync", os.fdatasync))
        monkeypatch.setattr(Path, "rename", rename)
        await writer.append(envelopes(1))
        seen.append("acknowledged")
        await writer.append(envelopes(2))
        seen.append("acknowledged")
        await writer.close()

    failpoints.observe(seen.append)
    try:
        run(steps)
    finally:
        failpoints.observe(None)
    created = ["sync .tmp", "log.created", "name .log", "log.named", "sync folder"]
    appended = ["log.written", "sync .log", "log.synced", "log.published", "acknowledged"]
    sealed = ["sync .log", "log.footer", "name .sealed", "sync folder", "log.sealed"]
    assert seen == [*created, *appended, *appended, *sealed]


def test_a_segment_is_locked_before_anybody_can_find_it(root: Path) -> None:
    locked: list[bool] = []

    def try_lock(point: str) -> None:
        if point in ("log.created", "log.named", "log.written", "log.footer"):
            (path,) = [path for path in root.iterdir() if path.suffix in (".tmp", ".log")]
            fd = os.open(path, os.O_RDWR)
            locked.append(not files.lock(fd))
            os.close(fd)

    async def steps() -> None:
        writer = open_writer(root)
        await writer.append(envelopes(1))
        await writer.close()

    failpoints.observe(try_lock)
    try:
        run(steps)
    finally:
        failpoints.observe(None)
    assert locked == [True] * 4


def test_a_segment_is_sealed_by_size(root: Path) -> None:
    async def steps() -> None:
        writer = open_writer(root, replace(SMALL, segment_bytes=2000))
        for n in range(10):
            await writer.append(envelopes(n))
        await writer.close()

    run(steps)
    assert len(open_log(root).segments()) > 1
    assert all(file_of(root, one.name).stat().st_size < 2100 for one in open_log(root).segments())
    assert all_numbers(root) == list(range(10))


def test_a_segment_is_sealed_by_age(root: Path) -> None:
    async def steps() -> None:
        clock = FakeClock()
        writer = LocalLog(root, clock).writer(SMALL)
        await writer.roll_if_old()
        await writer.append(envelopes(1))
        clock.seconds = 59
        await writer.roll_if_old()
        assert not open_log(root).segments()[0].sealed
        clock.seconds = 60
        await writer.roll_if_old()
        assert [one.sealed for one in open_log(root).segments()] == [True]
        await writer.append(envelopes(2))
        clock.seconds = 120
        await writer.append(envelopes(3))
        assert sorted(one.sealed for one in open_log(root).segments()) == [False, True, True]
        await writer.close()

    run(steps)


def test_low_disk_is_refused_before_anything_is_written(root: Path) -> None:
    async def steps() -> None:
        writer = open_writer(root, replace(SMALL, min_free_bytes=1 << 62))
        with pytest.raises(NotDurable, match="almost full") as raised:
            await writer.append(envelopes(1))
        assert "free space" in raised.value.hint
        assert not writer.is_healthy
        await writer.close()

    run(steps)
    assert names(root) == []


def test_a_short_write_is_not_acknowledged(root: Path) -> None:
    async def steps() -> None:
        writer = open_writer(root)
        await writer.append(envelopes(1))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
        try:
            with pytest.raises(NotDurable):
                await writer.append([envelope(2, payload=bytes(5000))])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert not writer.is_healthy
        (torn,) = open_log(root).segments()
        assert file_of(root, torn.name).stat().st_size == 2000
        await writer.append(envelopes(3))
        assert writer.is_healthy
        open_log(root).recover(torn.name)
        await writer.close()

    run(steps)
    assert all_numbers(root) == [1, 3]


@pytest.mark.parametrize("point", ["log.created", "log.named", "log.written", "log.synced", "log.published"])
def test_after_an_error_the_file_is_abandoned_and_a_new_one_begins(root: Path, point: str) -> None:
    async def steps() -> None:
        writer = open_writer(root)
        failpoints.arm(f"{point}:raise@1")
        first = asyncio.create_task(writer.append(envelopes(1)))
        with pytest.raises(NotDurable):
            await first
        assert not writer.is_healthy
        await writer.append(envelopes(2))
        assert writer.is_healthy
        log = open_log(root)
        log.sweep()
        live = [one for one in log.segments() if one.name != writer._sink._segment.name]
        for one in live:
            log.recover(one.name)
        await writer.close()

    run(steps)
    assert all_numbers(root) in ([2], [1, 2])
    assert set(names(root)) == {".sealed"}


@pytest.mark.parametrize("point", ["log.footer", "log.sealed"])
def test_a_segment_that_fails_while_sealing_is_sealed_by_recovery(root: Path, point: str) -> None:
    async def steps() -> None:
        writer = open_writer(root)
        await writer.append(envelopes(1, 2))
        failpoints.arm(f"{point}:raise@1")
        with pytest.raises(NotDurable):
            await writer.close()

    run(steps)
    log = open_log(root)
    (left,) = log.segments()
    assert all_numbers(root) == [1, 2]
    assert log.salvage(left.name)[1] == []
    assert log.recover(left.name) == left._replace(sealed=True)
    assert names(root) == [".sealed"]
    assert all_numbers(root) == [1, 2]


def test_a_failed_sync_is_never_tried_again_on_the_same_file(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fdatasync

    def fdatasync(fd: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        if len(synced) == 2:
            raise OSError(errno.EIO, "the disk")
        real(fd)

    async def steps() -> None:
        writer = open_writer(root)
        await writer.append(envelopes(1))
        monkeypatch.setattr(os, "fdatasync", fdatasync)
        await writer.append(envelopes(2))
        with pytest.raises(NotDurable):
            await writer.append(envelopes(3))
        await writer.append(envelopes(4))
        await writer.close()

    run(steps)
    assert synced[0] == synced[1]
    assert synced[1] not in synced[2:]


def test_every_flipped_bit_of_a_sealed_segment_is_found(root: Path) -> None:
    segment = write_sealed(root, [envelopes(1, 2), envelopes(3)])
    assert open_log(root).salvage(segment)[1] == []
    _find_flips(root, segment, file_of(root, segment), file_of(root, segment).stat().st_size)


def test_every_flipped_bit_of_a_live_segment_is_found_and_never_cut(root: Path) -> None:
    segment = write_live(root, [envelopes(1, 2), envelopes(3)])
    path = file_of(root, segment)
    size = path.stat().st_size
    assert open_log(root).salvage(segment)[1] == []
    with path.open("ab") as file:
        file.write(b"torn tail")

    def refused() -> None:
        with pytest.raises(CorruptFrame):
            open_log(root).recover(segment)
        assert path.stat().st_size == size + 9

    for bit in _find_flips(root, segment, path, size):
        if bit >= 8 * HEADER_BYTES:
            flip(path, bit)
            refused()
            flip(path, bit)
    mark = root / f"{segment}.durable"
    for bit in _find_flips(root, segment, mark, frames.MARK_BYTES):
        flip(mark, bit)
        refused()
        flip(mark, bit)
    open_log(root).recover(segment)
    assert all_numbers(root) == [1, 2, 3]


def _find_flips(root: Path, segment: str, path: Path, size: int) -> list[int]:
    bits = random.Random(7).sample(range(8 * size), min(200, 8 * size))
    for bit in bits:
        flip(path, bit)
        assert open_log(root).salvage(segment)[1] != [], bit
        flip(path, bit)
    return bits


def test_a_damaged_header_record_is_reported_and_costs_no_frame(root: Path) -> None:
    segment = write_live(root, [envelopes(1)])
    flip(file_of(root, segment), 100)
    assert open_log(root).salvage(segment)[1] == [Bad(segment, 0, "header")]
    open_log(root).recover(segment)
    assert open_log(root).salvage(segment)[1] == [Bad(segment, 0, "header")]
    assert all_numbers(root) == [1]


def test_a_lost_header_stops_the_segment_until_it_is_given_up(root: Path) -> None:
    segment = write_live(root, [envelopes(1, 2)])
    content = file_of(root, segment).read_bytes()
    file_of(root, segment).write_bytes(bytes(HEADER_BYTES) + content[HEADER_BYTES:])
    log = open_log(root)
    assert log.scan(segment, HEADER_BYTES, 9).corrupt_at == HEADER_BYTES
    with pytest.raises(CorruptFrame):
        log.recover(segment)
    recovered = log.recover(segment, frozenset({HEADER_BYTES}))
    assert log.segments() == [recovered]
    assert log.scan(segment, HEADER_BYTES, 9, frozenset({HEADER_BYTES})).frames == 1
    assert log.raw_bytes(segment, HEADER_BYTES) == content[HEADER_BYTES:]


def test_a_footer_that_disagrees_is_reported(root: Path) -> None:
    segment = write_sealed(root, [envelopes(1, 2)])
    path = file_of(root, segment)
    content = path.read_bytes()
    codec = frames.Codec(content[:HEADER_BYTES])
    for count, digest in ((3, content[-32:]), (2, bytes(32))):
        path.write_bytes(content[: -frames.FOOTER_BYTES] + codec.encode_footer(frames.Footer(count, digest)))
        assert open_log(root).salvage(segment)[1] == [Bad(segment, 0, "footer")]


def test_a_published_count_that_disagrees_is_reported(root: Path) -> None:
    segment = write_live(root, [envelopes(1, 2)])
    (live,) = open_log(root).segments()
    mark = frames.encode_mark(segment, frames.Mark(live.end, 3))
    (root / f"{segment}.durable").write_bytes(mark)
    assert open_log(root).salvage(segment)[1] == [Bad(segment, 0, "durable")]


@pytest.mark.parametrize("cut", [1, frames.FOOTER_BYTES, frames.FOOTER_BYTES + 1])
def test_a_sealed_segment_that_lost_its_end_does_not_look_complete(root: Path, cut: int) -> None:
    segment = write_sealed(root, [envelopes(1, 2)])
    (whole,) = open_log(root).segments()
    path = file_of(root, segment)
    os.truncate(path, path.stat().st_size - cut)
    log = open_log(root)
    (left,) = log.segments()
    scan = log.scan(segment, left.start, 9)
    assert scan.corrupt_at is not None
    assert scan.corrupt_at <= whole.end
    assert log.salvage(segment)[1] == [Bad(segment, scan.corrupt_at, "frame")]
    given_up = log.scan(segment, left.start, 9, frozenset({scan.corrupt_at}))
    assert (given_up.stop, given_up.corrupt_at) == (left.end, None)


def test_a_live_segment_shorter_than_its_durable_offset_is_corrupt(root: Path) -> None:
    segment = write_live(root, [envelopes(1), envelopes(2)])
    last = offsets(root, segment)[-1]
    os.truncate(file_of(root, segment), last)
    log = open_log(root)
    assert log.salvage(segment)[1] == [Bad(segment, last, "frame")]
    assert log.scan(segment, HEADER_BYTES, 9).corrupt_at == last
    with pytest.raises(CorruptFrame) as raised:
        log.recover(segment)
    assert raised.value.fields["offset"] == last
    log.recover(segment, frozenset({last}))
    assert all_numbers(root) == [1]


def test_frames_past_the_durable_offset_are_kept_by_recovery_but_not_read_before(root: Path) -> None:
    segment = write_live(root, [envelopes(1), envelopes(2)])
    last = offsets(root, segment)[-1]
    (root / f"{segment}.durable").write_bytes(frames.encode_mark(segment, frames.Mark(last, 1)))
    log = open_log(root)
    assert log.segments()[0].end == last
    assert log.scan(segment, HEADER_BYTES, 9).frames == 1
    log.recover(segment)
    assert all_numbers(root) == [1, 2]


def test_recovery_reads_from_the_disk_what_a_failed_sync_left_in_memory(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = write_live(root, [envelopes(1)])
    seen: list[str] = []

    def noted(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object) -> object:
            seen.append(name)
            return real(*args)

        return call

    for name in ("fsync", "posix_fadvise", "pread"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
    open_log(root).recover(segment)
    dropped = seen.index("posix_fadvise")
    assert seen[dropped - 1] == "fsync"
    assert seen[dropped + 1] == "pread"


def test_a_bad_frame_with_a_good_one_behind_it_is_corruption_wherever_it_stands(root: Path) -> None:
    segment = write_live(root, [envelopes(1), envelopes(2), envelopes(3)])
    (root / f"{segment}.durable").write_bytes(b"")
    middle = offsets_of_file(root, segment)[1]
    flip(file_of(root, segment), 8 * (middle + 20))
    with pytest.raises(CorruptFrame):
        open_log(root).recover(segment)
    assert open_log(root).recover(segment, frozenset({middle})).sealed
    assert open_log(root).salvage(segment)[1] == [Bad(segment, middle, "frame")]


def test_a_bad_frame_with_only_its_own_group_behind_it_is_a_torn_tail(root: Path) -> None:
    segment = write_live(root, [envelopes(1), envelopes(2, 3, 4)])
    (root / f"{segment}.durable").write_bytes(b"")
    third = offsets_of_file(root, segment)[2]
    flip(file_of(root, segment), 8 * (third + 20))
    open_log(root).recover(segment)
    assert all_numbers(root) == [1, 2]
    assert open_log(root).salvage(segment)[1] == []


def test_below_the_durable_offset_a_bad_frame_is_corruption_also_within_its_group(root: Path) -> None:
    segment = write_live(root, [envelopes(1), envelopes(2, 3, 4)])
    flip(file_of(root, segment), 8 * (offsets_of_file(root, segment)[2] + 20))
    with pytest.raises(CorruptFrame):
        open_log(root).recover(segment)


def offsets_of_file(root: Path, segment: str) -> list[int]:
    content = file_of(root, segment).read_bytes()
    found, _ = frames.Codec(content[:HEADER_BYTES]).split(content[HEADER_BYTES:])
    return [HEADER_BYTES + position for position, _ in found]


@pytest.mark.parametrize("published", [None, b"", bytes(frames.MARK_BYTES)])
def test_after_a_power_cut_without_a_durable_offset_recovery_scans(
    root: Path, published: bytes | None
) -> None:
    segment = write_live(root, [envelopes(1, 2)])
    mark = root / f"{segment}.durable"
    if published is None:
        mark.unlink()
    else:
        mark.write_bytes(published)
    log = open_log(root)
    assert log.segments()[0].end == HEADER_BYTES
    assert log.salvage(segment)[1] == []
    log.recover(segment)
    assert all_numbers(root) == [1, 2]


def test_a_read_that_races_the_publishing_write_is_repeated(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = write_live(root, [envelopes(1)])
    (live,) = open_log(root).segments()
    mark = root / f"{segment}.durable"
    good = mark.read_bytes()
    flip(mark, 50)
    real = frames.decode_mark

    def decode(name: str, published: bytes) -> object:
        mark.write_bytes(good)
        return real(name, published)

    monkeypatch.setattr("catalog.log.local.decode_mark", decode)
    assert open_log(root).segments() == [live]


def test_a_segment_without_frames_is_removed(root: Path) -> None:
    segment = write_live(root, [envelopes(1)])
    os.truncate(file_of(root, segment), HEADER_BYTES + 5)
    (root / f"{segment}.durable").write_bytes(frames.encode_mark(segment, frames.Mark(HEADER_BYTES, 0)))
    recovered = open_log(root).recover(segment)
    assert recovered.start == recovered.end
    assert names(root) == []


def test_a_segment_of_a_later_version_is_left_alone(root: Path) -> None:
    segment = write_live(root, [envelopes(1)])
    content = file_of(root, segment).read_bytes()
    later = 2 * frames._header_record(bytes(16), 1, frames.VERSION + 1)
    file_of(root, segment).write_bytes(later + content[HEADER_BYTES:])
    for act in (open_log(root).segments, lambda: open_log(root).recover(segment)):
        with pytest.raises(WrongVersion):
            act()
    assert file_of(root, segment).read_bytes() == later + content[HEADER_BYTES:]


def test_a_sector_the_device_cannot_read_is_a_bad_frame(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = [envelope(n, payload=b"x" * 3000) for n in range(10)]
    segment = write_sealed(root, [group])
    starts = offsets(root, segment)
    real = os.pread

    def pread(fd: int, size: int, offset: int) -> bytes:
        if offset < 5 * 4096 and offset + size > 4 * 4096:
            raise OSError(errno.EIO, "a bad sector")
        return real(fd, size, offset)

    monkeypatch.setattr(os, "pread", pread)
    located, bad = open_log(root).salvage(segment)
    assert [one.offset for one in bad] == [starts[4]]
    assert [one.envelope for one in located] == group[:4] + group[7:]


@pytest.mark.parametrize("page", [0, 3])
def test_what_the_device_cannot_read_now_is_no_torn_tail(
    root: Path, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    segment = write_live(root, [[envelope(n, payload=b"x" * 3000) for n in range(10)]])
    (root / f"{segment}.durable").write_bytes(b"")  # as after a power cut
    whole, real = file_of(root, segment).read_bytes(), os.pread

    def pread(fd: int, size: int, offset: int) -> bytes:
        if offset < (page + 1) * 4096 and offset + size > page * 4096:
            raise OSError(errno.EIO, "a bad sector")
        return real(fd, size, offset)

    monkeypatch.setattr(os, "pread", pread)
    with pytest.raises(OSError, match="a bad sector"):
        open_log(root).recover(segment)
    assert file_of(root, segment).read_bytes() == whole
    monkeypatch.setattr(os, "pread", real)
    open_log(root).recover(segment)
    assert all_numbers(root) == list(range(10))


@pytest.mark.parametrize(("damaged", "is_lost"), [((0,), False), ((1,), False), ((0, 1), True)])
def test_one_damaged_sector_does_not_cost_the_salt(
    root: Path, damaged: tuple[int, ...], is_lost: bool
) -> None:
    segment = write_live(root, [envelopes(1, 2)])
    (root / f"{segment}.durable").write_bytes(b"")
    content = bytearray(file_of(root, segment).read_bytes())
    for sector in damaged:
        content[512 * sector : 512 * (sector + 1)] = bytes(512)
    file_of(root, segment).write_bytes(content)
    if is_lost:
        with pytest.raises(CorruptFrame):
            open_log(root).recover(segment)
        assert file_of(root, segment).read_bytes() == content
    else:
        open_log(root).recover(segment)
        assert all_numbers(root) == [1, 2]


def test_sweep_removes_only_what_dead_writers_left(root: Path) -> None:
    live = write_live(root, [envelopes(1)])
    (root / "unrelated.txt").write_text("")
    for left in (".seg-" + "0" * 32 + ".tmp", "seg-" + "0" * 32 + ".durable", "seg-" + "1" * 32 + ".durable"):
        (root / left).write_bytes(b"")
    held = os.open(root / f".seg-{'2' * 32}.tmp", os.O_CREAT | os.O_RDWR)
    assert files.lock(held)
    assert len(open_log(root).sweep()) == 3
    assert sorted(path.name for path in root.iterdir()) == sorted(
        [f".seg-{'2' * 32}.tmp", f"{live}.log", f"{live}.durable", "unrelated.txt"]
    )
    os.close(held)


def test_a_segment_swept_while_it_is_created_is_not_used(root: Path) -> None:
    swept: list[str] = []

    def sweep(point: str) -> None:
        if point == "log.created" and not swept:
            swept.append(next(path.name for path in root.iterdir() if HIDDEN_FILE.fullmatch(path.name)))
            (root / swept[0]).unlink()

    async def steps() -> None:
        writer = open_writer(root)
        failpoints.observe(sweep)
        try:
            with pytest.raises(NotDurable):
                await writer.append(envelopes(1))
        finally:
            failpoints.observe(None)
        await writer.append(envelopes(2))
        await writer.close()

    run(steps)
    assert all_numbers(root) == [2]


def test_a_segment_sealed_between_listing_and_reading_is_found(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def steps() -> None:
        writer = open_writer(root)
        await writer.append(envelopes(1))
        log = open_log(root)
        (live,) = log.segments()
        real = LocalLog._open_file

        def seal_first(self: LocalLog, segment: str, flags: int) -> tuple[int, bool]:
            opened = real(self, segment, flags)
            writer._sink._segment.seal()  # type: ignore[attr-defined]
            writer._sink._segment = None  # type: ignore[attr-defined]
            monkeypatch.undo()
            return opened

        monkeypatch.setattr(LocalLog, "_open_file", seal_first)
        assert log.segments() == [live._replace(sealed=True)]
        assert len(log.read(live.name, live.start, live.end)) == 1
        await writer.close()

    run(steps)


def test_the_folder_of_a_log_is_created(tmp_path: Path) -> None:
    open_log(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_the_log_makes_writers(root: Path) -> None:
    async def steps() -> None:
        writer = open_log(root).writer(SMALL)
        await writer.append(envelopes(1))
        let_go(writer)

    run(steps)
    assert len(open_log(root).segments()) == 1
