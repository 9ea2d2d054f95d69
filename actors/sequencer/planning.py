"""Step 1, plan: which frames come next, in which order, made durable before anything is decided."""

from __future__ import annotations

from collections import Counter

from actors.sequencer.config import SequencerConfig
from catalog.clock import Clock
from catalog.control.plans import Plan, PlanStore, Range
from catalog.errors import CorruptFrame, PlanTaken, SegmentLocked
from catalog.failpoints import hit
from catalog.log.port import Log
from catalog.log.reader import corrupt


class Planner:
    """Cuts the log into plans, fairly between segments; a damaged segment stops alone."""

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
        ranges, received, is_full = self._cut()
        frames = sum(cut.frames for cut in ranges)
        if not frames:
            self._waiting_since_s = None
            return False
        now_s = self._clock.elapsed_s()
        if self._waiting_since_s is None:
            self._waiting_since_s = now_s
        waited_s = now_s - self._waiting_since_s
        if not is_full and waited_s < self._config.plan_age_s and not drain:
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

    def _cut(self) -> tuple[list[Range], Counter[str], bool]:
        """Up to `plan_rows` frames, about `plan_bytes` of the log: an equal share of each segment first, at
        least a frame, then what is left in rounds. And whether no more fit."""
        # Progress first: what is published and gone by then is in neither, nothing is taken for new.
        progress = self._plans.progress()
        segments = self._log.segments()
        published = self._plans.published({at.name for at in segments} - progress.keys())
        segments = [at for at in segments if at.name not in published]
        position = {at.name: progress.get(at.name, (at.start, 0))[0] for at in segments}
        ends = {at.name: at.end for at in segments}
        waiting = [at.name for at in segments if position[at.name] < at.end]
        cuts: dict[str, Range] = {}
        received: Counter[str] = Counter()
        left, left_bytes = self._config.plan_rows, self._config.plan_bytes
        while waiting and left > 0 and left_bytes > 0:
            share, share_bytes = max(1, left // len(waiting)), max(1, left_bytes // len(waiting))
            going_on = []
            for name in waiting[:left]:
                cut = self._scan(name, position[name], min(share, left), share_bytes, received)
                if cut is None or not cut.frames:
                    continue
                first = cuts.get(name, cut)
                frames = cut.frames + (first.frames if name in cuts else 0)
                cuts[name] = Range(name, first.start, cut.stop, frames)
                position[name] = cut.stop
                left -= cut.frames
                left_bytes -= cut.stop - cut.start
                if cut.stop < ends[name]:
                    going_on.append(name)
            waiting = going_on
        return list(cuts.values()), received, left <= 0 or left_bytes <= 0

    def _scan(
        self, name: str, start: int, frames: int, most_bytes: int, received: Counter[str]
    ) -> Range | None:
        given_up = self._plans.amendments([name]).given_up(name)
        try:
            scan = self._log.scan(name, start, frames, given_up, most_bytes)
        except LookupError:
            return None  # published and gone since it was listed
        except CorruptFrame as damage:
            self._stopped[name] = damage
            return None
        received.update(scan.by_channel)
        if scan.corrupt_at is None:
            self._stopped.pop(name, None)
        else:
            self._stopped[name] = corrupt(name, scan.corrupt_at)
        return Range(name, start, scan.stop, scan.frames)
