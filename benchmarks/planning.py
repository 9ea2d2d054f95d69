"""What planning costs: 100,000 frames over 1, 4 and 40 segments, beside equal shares of segments as before.

    python -m benchmarks.planning

"in turn": the segments' frames were acknowledged in turn, as by so many replicas at once, a group each time;
"one by one": one segment after the other, as by one replica. Both ways cut the same log, all of it.
"""

from __future__ import annotations

import argparse
import secrets
import tempfile
import time
from collections import Counter
from pathlib import Path

from actors.sequencer.config import SequencerConfig
from actors.sequencer.planning import Planner
from benchmarks.faults.bench import MEMORY
from catalog.clock import SystemClock
from catalog.control.plans import PlanStore, Range
from catalog.control.schema import open_control, sqlite_url
from catalog.envelope import Envelope
from catalog.log.frames import encode_body
from catalog.log.live import LiveSegment
from catalog.log.local import LocalLog

CONFIG = SequencerConfig("b", "c", plan_rows=5_000, plan_age_s=0.0, ahead=1, checkpoint_plans=1)
GROUP = 8


class EqualShares(Planner):
    """The planning before: an equal share of each segment, then what is left in rounds."""

    def _cut(self, first: dict[str, tuple[int, int]]) -> tuple[list[Range], Counter[str], bool]:
        position = {name: start for name, (start, _) in first.items()}
        waiting, cuts, received = list(first), dict[str, Range](), Counter[str]()
        left, left_bytes = self._config.plan_rows, self._config.plan_bytes
        while waiting and left > 0 and left_bytes > 0:
            share, share_bytes = max(1, left // len(waiting)), max(1, left_bytes // len(waiting))
            going_on = []
            for name in waiting[:left]:
                scan = self._log.scan(name, position[name], min(share, left), frozenset(), share_bytes)
                received.update(scan.by_channel)
                before = cuts.get(name, Range(name, position[name], 0, 0))
                cuts[name] = Range(name, before.start, scan.stop, before.frames + scan.frames)
                position[name] = scan.stop
                left, left_bytes = left - scan.frames, left_bytes - (scan.stop - scan.start)
                if scan.stop < first[name][1]:
                    going_on.append(name)
            waiting = going_on
        return list(cuts.values()), received, left <= 0 or left_bytes <= 0


def fill(root: Path, segments: int, frames: int, in_turn: bool) -> None:
    """Frames of about 400 bytes, in groups; every group a microsecond later."""
    live = [LiveSegment(root, SystemClock()) for _ in range(segments)]
    for group in range(frames // GROUP):
        which = group % segments if in_turn else group * segments * GROUP // frames
        live[which].append([_body(group) for _ in range(GROUP)])
    for segment in live:
        segment.seal()


def _body(us: int) -> bytes:
    return encode_body(
        Envelope(
            event_id=secrets.token_hex(16),
            id_origin="provider",
            channel="sms",
            source="gateway",
            received_us=1_700_000_000_000_000 + us,
            contract="sms/1",
            bundle="b",
            content_type="application/json",
            key_id="",
            payload=b"x" * 300,
        )
    )


def planned(kind: type[Planner], root: Path, control: Path) -> tuple[float, float, int, int]:
    """CPU seconds until everything is planned, of the first plan alone, plans, and ranges."""
    plans, clock = PlanStore(open_control(sqlite_url(control))), SystemClock()
    planner, n, first_s = kind(CONFIG, LocalLog(root, clock), plans, clock, {}), 1, 0.0
    started_s = time.process_time()
    while planner.plan(n, drain=True):
        first_s = first_s or time.process_time() - started_s
        n += 1
    taken_s = time.process_time() - started_s
    return taken_s, first_s, n - 1, sum(len(plan.ranges) for plan in plans.after(0, n))


def main() -> None:
    """One line for each way of planning and each log."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning")
    parser.add_argument("--frames", type=int, default=100_000)
    frames = parser.parse_args().frames
    for segments in (1, 4, 40):
        for in_turn in (True, False) if segments > 1 else (True,):
            with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
                root = Path(folder, "log")
                LocalLog(root, SystemClock())
                fill(root, segments, frames, in_turn)
                for kind in (EqualShares, Planner):
                    taken_s, first_s, plans, ranges = planned(kind, root, Path(folder, f"{kind.__name__}.db"))
                    how = "in turn" if in_turn else "one by one"
                    print(
                        f"{segments:3} segments {how:11} {kind.__name__:12} {1e6 * taken_s / frames:5.2f} us "
                        f"a frame, first plan {1e3 * first_s:4.0f} ms, {plans} plans, {ranges} ranges",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
