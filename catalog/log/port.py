"""What the rest of the system asks of a log; each backend passes one behaviour suite.

A log is a set of segments. One living writer owns a segment and holds its lock; the listing is the
truth of which segments exist. Offsets are bytes and always name the *next* frame to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

from catalog.envelope import Envelope, Located

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


class Log(Protocol):
    """Reading, taking over and removing segments. None of it needs a living writer."""

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
        """Take the lock of a segment whose writer is gone, cut its torn tail, sync and seal it.

        Raises SegmentLocked while the writer lives (stopped or not), CorruptFrame where cutting would lose
        a durable frame. Safe to repeat; a sealed segment is returned as it is.
        """
        ...

    def delete(self, segment: str) -> None:
        """Remove a sealed segment and sync the removal; nothing happens when it is gone already."""
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

    async def close(self) -> None:
        """Flush what waits, seal the segment and release it."""
        ...
