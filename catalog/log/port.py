"""What the rest of the system asks of a log; each backend passes one behaviour suite.

A log is a set of segments. One living writer owns a segment and holds its lock; the listing is the
truth of which segments exist. Offsets are bytes and always name the *next* frame to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

from catalog.envelope import Envelope, Located
from catalog.log.writer import WriterConfig

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


class Bad(NamedTuple):
    """Something durable that cannot be read as it was written: `what` is header, frame, footer or durable."""

    segment: str
    offset: int
    what: str


class Log(Protocol):
    """Reading, taking over and removing segments. None of it needs a living writer."""

    def writer(self, config: WriterConfig) -> Writer:
        """A new writer into this log, with segments of its own; the first begins with its first group."""
        ...

    def segments(self) -> list[Segment]:
        """All segments, ordered by name; live ones up to their published durable offset."""
        ...

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
        next readable frame begins.
        """
        ...

    def read(
        self, segment: str, start: int, stop: int, given_up: AbstractSet[int] = frozenset()
    ) -> list[Located]:
        """The frames in [start, stop). Raises CorruptFrame for a bad one that is not given up, LookupError
        when the segment is not (or no longer) here."""
        ...

    def raw_bytes(self, segment: str, offset: int) -> bytes:
        """The bytes from `offset` to the next readable frame: what is left of a frame given up."""
        ...

    def recover(self, segment: str, given_up: AbstractSet[int] = frozenset()) -> Segment:
        """Seal a segment whose writer is gone, so that nobody can acknowledge into it any more.

        `given_up` are offsets of bad frames a person lets it pass. Raises SegmentLocked while the writer
        lives, as far as the backend can tell, CorruptFrame where sealing would lose a durable frame,
        LookupError when it is not here. Safe to repeat; a sealed segment is returned as it is, one without
        frames is removed and returned with `end` equal to `start`.
        """
        ...

    def delete(self, segment: str) -> None:
        """Remove a sealed segment durably; nothing happens when it is gone already. Raises SegmentLocked for
        one that is not sealed."""
        ...

    def salvage(self, segment: str) -> tuple[list[Located], list[Bad]]:
        """What can be read in the durable part of a segment, and everything that is not as it was written; a
        flipped bit is always found."""
        ...

    def sweep(self) -> list[str]:
        """Remove left-overs of writers and deletions that nobody needs; their names."""
        ...


class Writer(Protocol):
    """The appending end. A group is what arrived while the flush before it was under way."""

    async def append(self, envelopes: Sequence[Envelope]) -> None:
        """Return once every envelope is durable, in order. Raises NotDurable: none of them may be
        acknowledged (they may still turn up in the log)."""
        ...

    @property
    def is_healthy(self) -> bool:
        """False after a failure, until a new segment has taken a group."""
        ...

    async def roll_if_old(self) -> None:
        """Seal the segment when its age is over the limit. Raises NotDurable as `close` does."""
        ...

    async def close(self) -> None:
        """Flush what waits, seal the segment and release it."""
        ...
