"""Step 1, plan: which frames come next, in which order, made durable before anything is decided.

Acknowledged first, planned first: a sender that had the 202 for A before it sent B finds A planned before B,
whichever writers took them. So of one id the first bytes acknowledged are the accepted ones. Why it holds:

1. A frame's stamp (`Headers.stamps_us`) is not before its own receipt and not after its acknowledgement. So
   A's stamp <= A's acknowledgement < B's receipt <= B's stamp.
2. In one segment frames are planned as they stand there, and a writer acknowledges in that order.
3. Of several segments the one whose next frame has the least stamp goes first. When B is the least, the next
   frame of A's segment, which is A or was received before A was acknowledged, has a greater stamp: A is
   planned already.
4. Step 3 needs A in sight when B is. A writer publishes a frame before it acknowledges it, but reading all
   ends takes time: A may be published behind the reader's back and B before its eyes. So the planner looks
   twice. If the first look saw B, then A was published before the second look began. What only the second
   look saw is planned as long as a frame of the first look with a stamp as great is still to come: such a B
   was received, and its A published, before the first look was over.

The stamps are the writers' wall clocks. In one segment the order needs no clock. Between segments of one
machine it holds unless the clock is set back between A and B; between machines it holds to within the
difference of their clocks. Behind a damaged frame a segment waits for a person, and what other segments hold
is planned meanwhile.

There is one queue for all sources: a frame waits for those that were acknowledged before it and for no later
ones. What a source can put before the others is bounded by its quota at the door.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from heapq import heapify, heappop, heappush

from actors.sequencer.config import SequencerConfig
from catalog.clock import Clock
from catalog.control.plans import Plan, PlanStore, Range
from catalog.errors import CorruptFrame, PlanTaken, SegmentLocked
from catalog.failpoints import hit
from catalog.log.frames import FRAME_BYTES, MIN_BODY_BYTES
from catalog.log.port import Headers, Log
from catalog.log.reader import corrupt

PIECE_BYTES, MOST_BYTES = 64 << 10, 1 << 20
"""So much of a segment is read at first for the headers of its frames, and then twice as much each time."""


class Planner:
    """Cuts the log into plans in the order of acknowledgement; a damaged segment stops alone."""

    def __init__(
        self,
        config: SequencerConfig,
        log: Log,
        plans: PlanStore,
        clock: Clock,
        stopped: dict[str, CorruptFrame],
    ) -> None:
        """`stopped` is filled: segments that cannot go on, and why."""
        self._config = config
        self._log = log
        self._plans = plans
        self._clock = clock
        self._waiting_since_s: float | None = None
        self._stopped = stopped
        self._unsealed: set[str] = set()

    def recover(self) -> bool:
        """Seal the segments whose writers are gone; True when there was one, or one to be tried again."""
        found = False
        for segment in self._log.segments():
            name, told = segment.name, self._stopped.get(segment.name)
            if segment.sealed or (told is not None and name not in self._unsealed):
                continue
            try:
                self._log.recover(name, self._plans.amendments([name]).given_up(name))
                found = True
            except (SegmentLocked, LookupError):
                continue  # its writer lives, or its own seal came first
            except CorruptFrame as damage:
                self._stopped[name] = damage
            except OSError as error:
                # It may pass, and the others need not wait for it.
                found = found or name not in self._unsealed
                self._unsealed.add(name)
                self._stopped[name] = CorruptFrame(
                    "a segment cannot be read or sealed",
                    hint="check the disk or object store, then run again",
                    segment=name,
                    cause=str(error.strerror),
                )
                continue
            if name in self._unsealed:
                self._unsealed.discard(name)
                self._stopped.pop(name, None)
        return found

    def plan(self, n: int, drain: bool) -> bool:
        """Write plan n when enough frames wait or the oldest has waited long enough; True when written,
        also by another sequencer."""
        waiting = self._look()
        if not waiting:
            self._waiting_since_s = None
            return False
        now_s = self._clock.elapsed_s()
        if self._waiting_since_s is None:
            self._waiting_since_s = now_s
        is_due = drain or now_s - self._waiting_since_s >= self._config.plan_age_s
        if not is_due and not self._may_be_full(waiting):
            return False
        ranges, received, is_full = self._cut(waiting)
        if not ranges:
            self._waiting_since_s = None  # damaged segments only
            return False
        if not is_full and not is_due:
            return False
        hit("plan.scanned")
        before = self._plans.chain(n - 1)
        if before is None:
            return False
        plan = Plan(
            n=n,
            kind="log",
            bundle=self._config.bundle,
            code_version=self._config.code_version,
            created_us=self._clock.now_us(),
            ranges=tuple(ranges),
            received=dict(received),
        )
        try:
            self._plans.insert(plan.chained(before))
        except PlanTaken:
            return self._plans.last() >= n  # a rival's plan n is as good as ours
        hit("plan.inserted")
        self._waiting_since_s = None
        return True

    def _look(self) -> dict[str, tuple[int, int]]:
        """Of every segment with frames that no plan has cut: where they begin, and their durable end."""
        # Progress first: what is published and gone by then is in neither, nothing is taken for new.
        progress = self._plans.progress()
        segments = self._log.segments()
        published = self._plans.published({at.name for at in segments} - progress.keys())
        found = {at.name: (progress.get(at.name, (at.start, 0))[0], at.end) for at in segments}
        return {name: at for name, at in found.items() if at[0] < at[1] and name not in published}

    def _may_be_full(self, waiting: dict[str, tuple[int, int]]) -> bool:
        size_bytes = sum(end - start for start, end in waiting.values())
        least_bytes = self._config.plan_rows * (FRAME_BYTES + MIN_BODY_BYTES)
        return size_bytes >= min(least_bytes, self._config.plan_bytes)

    def _cut(self, first: dict[str, tuple[int, int]]) -> tuple[list[Range], Counter[str], bool]:
        """Up to `plan_rows` frames, about `plan_bytes` of the log, in the order of their stamps: those of the
        `first` look, and of a second one what comes before them. And whether no more fit."""
        waiting = self._look()
        given_up = self._plans.amendments(sorted(waiting))
        queue: list[tuple[int, str]] = []
        queues: dict[str, _Queue] = {}
        for name, (start, end) in waiting.items():
            queues[name] = _Queue(self._log, self._stopped, name, start, end, given_up.given_up(name))
            if queues[name].read():
                queue.append((queues[name].stamp_us, name))
        heapify(queue)
        seen = {name: end for name, (_, end) in first.items()}
        unseen = sum(queues[name].position < seen.get(name, 0) for _, name in queue)
        ranges: list[Range] = []
        received: Counter[bytes] = Counter()
        left, left_bytes = self._config.plan_rows, self._config.plan_bytes
        while queue and unseen and left > 0 and left_bytes > 0:
            _, name = heappop(queue)
            mine, upto = queues[name], seen.get(name, 0)
            is_behind = mine.position < upto
            cut = mine.take(queue[0] if queue else None, left, left_bytes, upto if is_behind else mine.end)
            received.update(cut.channels)
            _append(ranges, Range(name, cut.start, cut.stops[-1], len(cut.stops)))
            left -= len(cut.stops)
            left_bytes -= cut.stops[-1] - cut.start
            has_more = mine.read()
            if has_more:
                heappush(queue, (mine.stamp_us, name))
            unseen -= is_behind and not (has_more and mine.position < upto)
        by_channel = Counter({name.decode("ascii", "replace"): n for name, n in sorted(received.items())})
        return ranges, by_channel, left <= 0 or left_bytes <= 0


class _Queue:
    """The frames of one segment that no plan has cut, up to the end of a look; headers are read in pieces."""

    def __init__(
        self,
        log: Log,
        stopped: dict[str, CorruptFrame],
        name: str,
        position: int,
        end: int,
        given_up: frozenset[int],
    ) -> None:
        self.position = position
        self.end = end
        self._log = log
        self._stopped = stopped
        self._name = name
        self._given_up = given_up
        self._piece = Headers(position, [], [], [], None)
        self._piece_bytes = PIECE_BYTES
        self._at = 0

    @property
    def stamp_us(self) -> int:
        """Of the next frame."""
        return self._piece.stamps_us[self._at]

    def read(self) -> bool:
        """Read on when the piece is used up; False when no frame follows that can be planned."""
        if self._at < len(self._piece.stops):
            return True
        if self._piece.corrupt_at is None and self.position < self.end:
            stop = min(self.position + self._piece_bytes, self.end)
            self._piece_bytes = min(2 * self._piece_bytes, MOST_BYTES)
            try:
                self._piece = self._log.headers(self._name, self.position, stop, self._given_up)
            except LookupError:
                return False  # published and gone since it was listed
            except CorruptFrame as damage:
                self._stopped[self._name] = damage
                return False
            self._at = 0
            if self._piece.corrupt_at is None:
                self._stopped.pop(self._name, None)
            else:
                self._stopped[self._name] = corrupt(self._name, self._piece.corrupt_at)
        return self._at < len(self._piece.stops)

    def take(self, rival: tuple[int, str] | None, frames: int, size_bytes: int, upto: int) -> Headers:
        """The next frame, and those behind it whose turn it is before `rival`'s (stamp, segment): up to
        `frames`, none that begins `size_bytes` behind the first or at `upto`."""
        piece, at = self._piece, self._at
        stop = min(len(piece.stops), at + frames)
        stop = min(stop, bisect_left(piece.stops, min(self.position + size_bytes, upto), at) + 1)
        if rival is not None:
            bisect = bisect_right if self._name < rival[1] else bisect_left
            stop = min(stop, bisect(piece.stamps_us, rival[0], at))
        stop = max(stop, at + 1)
        taken = Headers(
            self.position, piece.stops[at:stop], piece.stamps_us[at:stop], piece.channels[at:stop], None
        )
        self.position, self._at = taken.stops[-1], stop
        return taken


def _append(ranges: list[Range], cut: Range) -> None:
    """Add a range, to the last one where it goes on there."""
    if ranges and ranges[-1].segment == cut.segment:
        last = ranges.pop()
        cut = Range(cut.segment, last.start, cut.stop, last.frames + cut.frames)
    ranges.append(cut)
