"""The log in a folder of one machine's disk: reading, taking over, checking and removing segments."""

from __future__ import annotations

import os
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path

from catalog.clock import Clock
from catalog.durable import sync_folder
from catalog.errors import CorruptFrame, SegmentLocked
from catalog.log import files, recovery
from catalog.log.files import LIVE, MARK, SEALED
from catalog.log.frames import FOOTER_BYTES, HEADER_BYTES, MARK_BYTES, Codec, Mark, decode_mark
from catalog.log.live import LiveSegment, require_room
from catalog.log.port import Bad, Log, Segment
from catalog.log.reader import Opened, SegmentReader
from catalog.log.writer import Rolling, Writer, WriterConfig

_MARK_READS = 5


class LocalLog(Log):
    """A log over local files. Nothing here takes a lock, but for `recover` and `sweep`."""

    def __init__(self, root: Path, clock: Clock) -> None:
        """Creates the folder where it is missing. Raises UnsafeStore on a network file system."""
        files.prepare(root)
        self._root = root
        self._clock = clock

    def writer(self, config: WriterConfig) -> Writer:
        """As the port says."""
        root, clock = self._root, self._clock
        sink = Rolling(lambda: LiveSegment(root, clock), lambda: require_room(root, config), clock, config)
        return Writer(sink, config.queue_bytes, config.answer_s)

    def segments(self) -> list[Segment]:
        """All segments, ordered by name.

        A live one whose published offset is missing or damaged ends at its start: recovery decides. A
        sealed one without a good footer ends one byte behind its file, so that reading it stops there as
        at a bad frame. Raises WrongVersion.
        """
        # Twice: a rename during one pass over a large folder may hide a name from it.
        names = {*os.listdir(self._root), *os.listdir(self._root)}  # noqa: PTH208 - names are enough
        found = {match[1] for name in names if (match := files.SEGMENT_FILE.fullmatch(name))}
        segments = []
        for segment in sorted(found):
            try:
                with self._open(segment) as opened:
                    segments.append(Segment(segment, HEADER_BYTES, opened.end, opened.sealed))
            except LookupError:
                continue  # removed since the folder was read
        return segments

    def recover(self, segment: str, given_up: AbstractSet[int] = frozenset()) -> Segment:
        """As the port says: takes the lock, cuts the torn tail, syncs. A stopped writer lives."""
        while not (self._root / f"{segment}{SEALED}").exists():
            fd, _ = self._open_file(segment, os.O_RDWR)
            try:
                if not files.lock(fd):
                    hint = "its writer lives: what it published can be planned; end that process to take over"
                    raise SegmentLocked("a segment is being written", hint=hint, segment=segment)
                if not self._is_still(fd, segment):
                    continue  # sealed or removed by the one who held the lock before
                mark = self._mark_or_damage(segment)
                durable = None if isinstance(mark, CorruptFrame) else mark.offset if mark else 0
                end = recovery.recover_file(self._root, segment, fd, durable, given_up)
                return Segment(segment, HEADER_BYTES, HEADER_BYTES if end is None else end, True)
            finally:
                os.close(fd)
        sync_folder(self._root)
        (self._root / f"{segment}{MARK}").unlink(missing_ok=True)
        with self._open(segment) as opened:
            return Segment(segment, HEADER_BYTES, opened.end, True)

    def delete(self, segment: str) -> None:
        """As the port says."""
        if (self._root / f"{segment}{LIVE}").exists():
            raise SegmentLocked("a segment is not sealed", hint="recover it first", segment=segment)
        files.remove(self._root, segment, SEALED)

    def _beside(self, segment: str, opened: Opened, frames: int) -> list[Bad]:
        mark = self._mark_or_damage(segment)
        if isinstance(mark, Mark):
            # One published since then says nothing about what was read.
            same = mark.offset in (opened.end, opened.end + FOOTER_BYTES)
            return [Bad(segment, 0, "durable")] if same and mark.frames != frames else []
        return [Bad(segment, 0, "durable")] if mark is not None else []

    def sweep(self) -> list[str]:
        """Remove what writers left that died before a segment was listed; the names of the files."""
        swept = []
        for name in sorted(os.listdir(self._root)):  # noqa: PTH208 - names are enough
            hidden, mark = files.HIDDEN_FILE.fullmatch(name), files.MARK_FILE.fullmatch(name)
            if (hidden and self._unlink_unlocked(name)) or (mark and self._unlink_orphan(mark[1])):
                swept.append(name)
        return swept

    def _unlink_unlocked(self, name: str) -> bool:
        try:
            fd = os.open(self._root / name, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            # Its writer, were it only about to lock it, cannot name it any more: it fails and starts again.
            if not files.lock(fd) or not (self._root / name).exists():
                return False
            (self._root / name).unlink(missing_ok=True)
            return True
        finally:
            os.close(fd)

    def _unlink_orphan(self, segment: str) -> bool:
        # In the order in which a segment takes its names.
        if files.hidden_path(self._root, segment).exists() or (self._root / f"{segment}{LIVE}").exists():
            return False
        (self._root / f"{segment}{MARK}").unlink(missing_ok=True)
        return True

    def _is_still(self, fd: int, segment: str) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), (self._root / f"{segment}{LIVE}").stat())
        except FileNotFoundError:
            return False

    def _mark_or_damage(self, segment: str) -> Mark | CorruptFrame | None:
        damage = None
        for _ in range(_MARK_READS):  # a reader may race the writer's write
            try:
                with (self._root / f"{segment}{MARK}").open("rb") as file:
                    return decode_mark(segment, file.read(MARK_BYTES + 1))
            except FileNotFoundError:
                return None
            except CorruptFrame as error:
                damage = error
        return damage

    @contextmanager
    def _open(self, segment: str) -> Iterator[Opened]:
        fd, is_live = self._open_file(segment, os.O_RDONLY)
        try:
            yield self._look(segment, fd, is_live)
        finally:
            os.close(fd)

    def _open_file(self, segment: str, flags: int) -> tuple[int, bool]:
        # In the order in which a segment takes its names: one that is not live any more is sealed or gone.
        for suffix in (LIVE, SEALED):
            try:
                return os.open(self._root / f"{segment}{suffix}", flags | os.O_CLOEXEC), suffix == LIVE
            except FileNotFoundError:
                continue
        raise LookupError(segment)

    def _look(self, segment: str, fd: int, is_live: bool) -> Opened:
        mark = self._mark_or_damage(segment) if is_live else None
        if mark is None and is_live:  # maybe sealed since it was opened
            is_live = not (self._root / f"{segment}{SEALED}").exists()
        size = os.fstat(fd).st_size
        codec = Codec(files.read_at(fd, 0, HEADER_BYTES))
        durable = size
        if is_live:
            durable = mark.offset if isinstance(mark, Mark) else HEADER_BYTES
        end, footer = durable if is_live else size + 1, None
        footer_at = durable - FOOTER_BYTES
        if footer_at >= HEADER_BYTES:
            footer = codec.decode_footer(files.read_at(fd, footer_at, FOOTER_BYTES))
        if footer is not None:
            end = footer_at
        reader = SegmentReader(segment, codec, lambda offset, n: files.read_at(fd, offset, n))
        return Opened(size, end, not is_live, codec, footer, reader)
