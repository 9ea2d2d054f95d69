"""Envelopes wherever they are now: in the log while it is hot, in the raw layer afterwards."""

from __future__ import annotations

from bisect import bisect_left

from catalog.control.plans import Amendments, Plan
from catalog.envelope import Located
from catalog.errors import CorruptFrame
from catalog.log.port import Log
from catalog.raw import Raw


class History:
    """Reads the frames that a plan cut, for its first decision or any later one."""

    def __init__(self, log: Log, raw: Raw) -> None:
        self._log = log
        self._raw = raw

    def frames(self, plan: Plan, amendments: Amendments) -> list[Located]:
        """The frames of a plan, in its order. Raises CorruptFrame for what neither place can give."""
        pieces = self._pieces(plan, amendments)
        found: list[Located] = []
        for cut, piece in zip(plan.ranges, pieces, strict=True):
            frames = piece
            if len(frames) != cut.frames:  # next to damage: only the range itself says where its frames are
                frames = self._read(cut.segment, cut.start, cut.stop, amendments.given_up(cut.segment))
            found += _with_neighbours(frames, cut.frames)
        if len(found) != plan.frames:
            raise CorruptFrame(
                "a plan's frames are not all there any more",
                hint="run `beejan verify` to see which",
                plan=plan.n,
                expected=plan.frames,
                found=len(found),
            )
        return found

    def _pieces(self, plan: Plan, amendments: Amendments) -> list[list[Located]]:
        """The frames of each range, as far as they are readable; each segment is read once."""
        read: dict[str, list[Located]] = {}
        for segment, (start, stop) in plan.spans().items():
            try:
                read[segment] = self._read(segment, start, stop, amendments.given_up(segment))
            except CorruptFrame:
                if len(plan.ranges) == 1:
                    raise
                read[segment] = []
        offsets = {segment: [at.offset for at in frames] for segment, frames in read.items()}
        return [
            read[cut.segment][
                bisect_left(offsets[cut.segment], cut.start) : bisect_left(offsets[cut.segment], cut.stop)
            ]
            for cut in plan.ranges
        ]

    def _read(self, segment: str, start: int, stop: int, given_up: frozenset[int]) -> list[Located]:
        try:
            return self._log.read(segment, start, stop, given_up)
        except LookupError:
            pass  # published since: the raw files were there before the segment went
        try:
            return self._raw.read(segment, start, stop)
        except LookupError:
            raise CorruptFrame(
                "a segment is neither in the log nor in the raw layer",
                hint="restore it from a backup",
                segment=segment,
                offset=start,
            ) from None

    def payload(self, segment: str, offset: int) -> bytes:
        """The payload of one frame, as it was received. Raises CorruptFrame when it cannot be read."""
        try:
            stop = self._log.scan(segment, offset, 1, frozenset()).stop
        except LookupError:  # the raw layer reads the frames that begin before `stop`
            stop = offset + 1
        found = self._read(segment, offset, stop, frozenset())
        if len(found) != 1 or found[0].envelope is None:
            raise CorruptFrame(
                "a frame cannot be read", hint="run `beejan verify`", segment=segment, offset=offset
            )
        return found[0].envelope.payload

    def remains(self, segment: str, offset: int) -> bytes:
        """The bytes left of a frame nobody can read."""
        try:
            return self._log.raw_bytes(segment, offset)
        except LookupError:
            return self._raw.remains(segment, offset)


def _with_neighbours(frames: list[Located], planned: int) -> list[Located]:
    """Adjacent frames that went bad after they were planned cannot be told apart: the first one's offset, and
    those right behind it, stand for as many as the plan counted."""
    short = planned - len(frames)
    gone = [i for i, at in enumerate(frames) if at.envelope is None]
    if short <= 0 or not gone:
        return frames
    first = frames[gone[0]]
    more = [Located(first.segment, first.offset + k, None) for k in range(1, short + 1)]
    return [*frames[: gone[0] + 1], *more, *frames[gone[0] + 1 :]]
