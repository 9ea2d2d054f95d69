"""What the rest of the system asks of a log; each backend passes one behaviour suite.

A log is a set of segments. One living writer owns a segment and holds its lock; the listing is the
truth of which segments exist. Offsets are bytes and always name the *next* frame to read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple

from catalog.envelope import Located
from catalog.log.frames import HEADER_BYTES, Footer
from catalog.log.writer import Writer, WriterConfig

if TYPE_CHECKING:
    from catalog.log.reader import Opened

NO_LIMIT = 1 << 62


class Segment(NamedTuple):
    """One segment as the listing shows it: frames stand in [start, end), `end` being durable."""

    name: str
    start: int
    end: int
    sealed: bool


class Scan(NamedTuple):
    """What stands in [start, stop) of a segment, counted from the frames' headers.

    `corrupt_at` is the offset of a frame that was durable and cannot be read; the scan ends before it.
    """

    segment: str
    start: int
    stop: int
    frames: int
    by_channel: dict[str, int]
    corrupt_at: int | None


class Headers(NamedTuple):
    """The headers of consecutive frames, the first of which begins at `start`; one entry a frame.

    `stamps_us` order frames of different segments: a frame's stamp is not before its own received_us and not
    after its acknowledgement. `stops` are where the frames end. `corrupt_at` is as in `Scan`.
    """

    start: int
    stops: list[int]
    stamps_us: list[int]
    channels: list[bytes]
    corrupt_at: int | None


class Bad(NamedTuple):
    """Something durable that cannot be read as it was written: `what` is header, frame, footer or durable."""

    segment: str
    offset: int
    what: str


class Log(ABC):
    """Reading, taking over and removing segments. None of it needs a living writer."""

    @abstractmethod
    def writer(self, config: WriterConfig) -> Writer:
        """A new writer into this log."""

    @abstractmethod
    def segments(self) -> list[Segment]:
        """All segments, ordered by name; live ones up to their published durable offset."""

    def scan(
        self,
        segment: str,
        start: int,
        max_frames: int,
        given_up: AbstractSet[int] = frozenset(),
        max_bytes: int = NO_LIMIT,
    ) -> Scan:
        """Count up to `max_frames` durable frames from `start`, none that begins `max_bytes` behind it.

        A bad frame at an offset in `given_up` counts as one frame of channel `unknown` and ends where the
        next readable frame begins; it stays given up, also when its frame can be read after all.
        """
        with self._open(segment) as opened:
            return opened.reader.scan(start, opened.end, max_frames, given_up, max_bytes)

    def headers(
        self, segment: str, start: int, stop: int, given_up: AbstractSet[int] = frozenset()
    ) -> Headers:
        """The headers of the durable frames that begin in [start, stop); bad frames are as in `scan`."""
        with self._open(segment) as opened:
            return opened.reader.headers(start, min(stop, opened.end), opened.end, given_up)

    def read(
        self, segment: str, start: int, stop: int, given_up: AbstractSet[int] = frozenset()
    ) -> list[Located]:
        """The frames in [start, stop). Raises CorruptFrame for a bad one that is not given up, LookupError
        when the segment is not (or no longer) here. `stop` is trusted: a scan saw it durable."""
        with self._open(segment) as opened:
            return opened.reader.read(start, stop, given_up)

    def raw_bytes(self, segment: str, offset: int) -> bytes:
        """The bytes from `offset` to the next readable frame: what is left of a frame given up."""
        with self._open(segment) as opened:
            end = opened.end if offset < opened.end else opened.size_bytes
            return opened.reader.bytes_at(offset, opened.reader.next_readable(offset + 1, end) - offset)

    @abstractmethod
    def recover(self, segment: str, given_up: AbstractSet[int] = frozenset()) -> Segment:
        """Seal a segment whose writer is gone, so that nobody can acknowledge into it any more.

        `given_up` are offsets of bad frames a person lets it pass. Raises SegmentLocked while the writer
        lives, as far as the backend can tell, CorruptFrame where sealing would lose a durable frame,
        LookupError when it is not here. Safe to repeat; a sealed segment is returned as it is, one without
        frames is removed and returned with `end` equal to `start`.
        """

    @abstractmethod
    def delete(self, segment: str) -> None:
        """Remove a sealed segment durably; nothing happens when it is gone already. Raises SegmentLocked for
        one that is not sealed."""

    def salvage(self, segment: str) -> tuple[list[Located], list[Bad]]:
        """What can be read in the durable part of a segment, and everything that is not as it was written; a
        flipped bit is always found."""
        with self._open(segment) as opened:
            located, bad = opened.reader.salvage(HEADER_BYTES, opened.end)
            frames = len(located) + len(bad)
            if opened.footer is not None and not bad:
                footer = Footer(frames, opened.reader.digest(opened.end))
                if footer != opened.footer:
                    bad.append(Bad(segment, 0, "footer"))
            if not opened.codec.is_header_whole:
                bad.insert(0, Bad(segment, 0, "header"))
            if not opened.sealed:
                bad += self._beside(segment, opened, frames)
        return located, bad

    @abstractmethod
    def sweep(self) -> list[str]:
        """Remove left-overs of writers and deletions that nobody needs; their names."""

    @abstractmethod
    def _open(self, segment: str) -> AbstractContextManager[Opened]:
        """Raises LookupError when the segment is not here."""

    def _beside(self, segment: str, opened: Opened, frames: int) -> list[Bad]:
        """What is wrong with whatever a backend keeps beside a live segment of so many frames."""
        return []
