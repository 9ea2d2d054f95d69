"""Reading a segment however its bytes are kept: what every backend does alike once it has opened one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from typing import NamedTuple

from catalog.envelope import Located
from catalog.log.frames import HEADER_BYTES, Codec, Footer
from catalog.log.port import NO_LIMIT, Bad, Scan
from catalog.log.reader import SegmentReader


class Opened(NamedTuple):
    """A segment as it was found: its frames end at `end`, and `footer` stands there if it is good."""

    size_bytes: int
    end: int
    sealed: bool
    codec: Codec
    footer: Footer | None
    reader: SegmentReader


class ReadingLog(ABC):
    """The reading half of a `port.Log`."""

    @abstractmethod
    def _open(self, segment: str) -> AbstractContextManager[Opened]:
        """Raises LookupError when the segment is not here."""

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
        """As the port says."""
        with self._open(segment) as opened:
            end = opened.end if offset < opened.end else opened.size_bytes
            return opened.reader.bytes_at(offset, opened.reader.next_readable(offset + 1, end) - offset)

    def salvage(self, segment: str) -> tuple[list[Located], list[Bad]]:
        """As the port says."""
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

    def _beside(self, segment: str, opened: Opened, frames: int) -> list[Bad]:
        """What is wrong with whatever a backend keeps beside a live segment of so many frames."""
        return []
