"""The log in a folder of one machine's disk: reading, taking over, checking and removing segments."""

from __future__ import annotations

import os
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from catalog.clock import Clock
from catalog.durable import sync_folder
from catalog.envelope import Located
from catalog.errors import CorruptFrame, SegmentLocked
from catalog.log import files, recovery
from catalog.log.files import LIVE, MARK, SEALED
from catalog.log.frames import FOOTER_BYTES, HEADER_BYTES, MARK_BYTES, Codec, Footer, Mark, decode_mark
from catalog.log.live import LocalWriter
from catalog.log.port import NO_LIMIT, Scan, Segment
from catalog.log.reader import Bad, SegmentReader
from catalog.log.writer import WriterConfig

__all__ = ["LocalLog", "LocalWriter", "WriterConfig"]

_MARK_READS = 5


class _Opened(NamedTuple):
    """A segment's file as it was found: its frames end at `end`, and `footer` stands there if it is good."""

    fd: int
    size_bytes: int
    end: int
    sealed: bool
    codec: Codec
    footer: Footer | None
    reader: SegmentReader


class LocalLog:
    """A `port.Log` over local files. Nothing here takes a lock, but for `recover` and `sweep`."""

    def __init__(self, root: Path, clock: Clock) -> None:
        """Creates the folder where it is missing. Raises UnsafeStore on a network file system."""
        files.prepare(root)
        self._root = root
        self._clock = clock

    def writer(self, config: WriterConfig) -> LocalWriter:
        """A new writer into this log."""
        return LocalWriter(self._root, self._clock, config)

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

    def scan(
        self,
        segment: str,
        start: int,
        max_frames: int,
        given_up: AbstractSet[int] = frozenset(),
        max_bytes: int = NO_LIMIT,
    ) -> Scan:
        """As the port says; an offset given up stays given up, also when its frame can be read after all."""
        with self._open(segment) as opened:
            return opened.reader.scan(start, opened.end, max_frames, given_up, max_bytes)

    def read(
        self, segment: str, start: int, stop: int, given_up: AbstractSet[int] = frozenset()
    ) -> list[Located]:
        """As the port says; `stop` is trusted: it comes from a scan that saw it durable."""
        with self._open(segment) as opened:
            return opened.reader.read(start, stop, given_up)

    def raw_bytes(self, segment: str, offset: int) -> bytes:
        """The bytes from `offset` to the next readable frame."""
        with self._open(segment) as opened:
            end = opened.end if offset < opened.end else opened.size_bytes
            stop = opened.reader.next_readable(offset + 1, end)
            return files.read_at(opened.fd, offset, stop - offset)

    def recover(self, segment: str, given_up: AbstractSet[int] = frozenset()) -> Segment:
        """As the port says; `given_up` are offsets of bad frames a person lets it pass.

        A segment without frames is removed, and returned with `end` equal to `start`. Raises LookupError
        when the segment is not here.
        """
        while not (self._root / f"{segment}{SEALED}").exists():
            with self._open(segment, os.O_RDWR) as opened:
                if not files.lock(opened.fd):
                    hint = "its writer lives: what it published can be planned; end that process to take over"
                    raise SegmentLocked("a segment is being written", hint=hint, segment=segment)
                if not self._is_still(opened.fd, segment):
                    continue  # sealed or removed by the one who held the lock before
                mark = self._mark_or_damage(segment)
                durable = None if isinstance(mark, CorruptFrame) else mark.offset if mark else 0
                end = recovery.recover_file(self._root, segment, opened.fd, durable, given_up)
                return Segment(segment, HEADER_BYTES, HEADER_BYTES if end is None else end, True)
        sync_folder(self._root)
        (self._root / f"{segment}{MARK}").unlink(missing_ok=True)
        with self._open(segment) as opened:
            return Segment(segment, HEADER_BYTES, opened.end, True)

    def delete(self, segment: str) -> None:
        """Remove a sealed segment and sync the removal. Raises SegmentLocked for one that is not sealed."""
        if (self._root / f"{segment}{LIVE}").exists():
            raise SegmentLocked("a segment is not sealed", hint="recover it first", segment=segment)
        files.remove(self._root, segment, SEALED)

    def salvage(self, segment: str) -> tuple[list[Located], list[Bad]]:
        """What can be read in the durable part of a segment, and everything that is not as it was written; a
        flipped bit is always found."""
        with self._open(segment) as opened:
            located, bad = opened.reader.salvage(HEADER_BYTES, opened.end)
            frames = len(located) + len(bad)
            if opened.footer is not None and not bad:
                footer = Footer(frames, recovery.digest(opened.fd, opened.end))
                if footer != opened.footer:
                    bad.append(Bad(segment, 0, "footer"))
            if not opened.codec.is_header_whole:
                bad.insert(0, Bad(segment, 0, "header"))
            if not opened.sealed:
                bad += self._check_mark(segment, opened, frames)
        return located, bad

    def _check_mark(self, segment: str, opened: _Opened, frames: int) -> list[Bad]:
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
    def _open(self, segment: str, flags: int = os.O_RDONLY) -> Iterator[_Opened]:
        fd, is_live = self._open_file(segment, flags)
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

    def _look(self, segment: str, fd: int, is_live: bool) -> _Opened:
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
        return _Opened(fd, size, end, not is_live, codec, footer, reader)
