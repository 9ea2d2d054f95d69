"""A writer is stopped anywhere, its segment is taken over, published and deleted, and the writer wakes.

What it acknowledges afterwards must be in the log as well: nothing may be acknowledged into a segment that
has gone. Run by hand against any bucket:

    python -m benchmarks.faults.stolen PLACE.json [TRIALS]
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from catalog import failpoints
from catalog.clock import SystemClock
from catalog.envelope import Envelope
from catalog.errors import NotDurable
from catalog.ids import event_id
from catalog.log.objects import ObjectLog
from catalog.log.writer import WriterConfig
from catalog.objects.s3 import S3, Place

GROUPS = 12
POINTS = ("object.synced", "log.named", "log.synced", "")
"""Inside a create, between the header and the first group, behind a create, and at any moment."""
LIMIT_S = 600


def steal(place: Place, seed: int) -> list[str]:
    """One trial in an empty prefix: what was found wrong."""
    rng = random.Random(seed)
    point = POINTS[seed % len(POINTS)]
    hit = 1 if point == "log.named" else rng.randint(1, GROUPS)
    log = ObjectLog(S3(place), SystemClock(), takeover_s=0)
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.faults.stolen", "write"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        job = {"place": asdict(place), "failpoint": f"{point}:stop@{hit}" if point else ""}
        writer.stdin.write(json.dumps(job) + "\n")
        writer.stdin.close()
        acknowledged: list[str] = []
        if not point:
            acknowledged += [writer.stdout.readline() for _ in range(hit)]
            threading.Event().wait(rng.random() / 100)
            os.kill(writer.pid, signal.SIGSTOP)
        found = os.waitid(os.P_PID, writer.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        is_stopped = found is not None and found.si_status == signal.SIGSTOP
        published = _publish(log)
        os.kill(writer.pid, signal.SIGCONT)
        acknowledged += writer.stdout.readlines()
        code = writer.wait()
    stored = Counter([*published, *_publish(log)])
    told = {line.strip() for line in acknowledged}
    findings = [f"the writer ended with {code}"] if code else []
    if point and not is_stopped:
        findings.append(f"the writer did not stop at {point}")
    if missing := told - stored.keys():
        findings.append(f"{len(missing)} acknowledged events are nowhere, stopped at {point}@{hit}")
    if doubled := [each for each, times in stored.items() if times > 1]:
        findings.append(f"{len(doubled)} events stand there twice, stopped at {point}@{hit}")
    return findings


def _publish(log: ObjectLog) -> list[str]:
    """Take over every segment, read it, and delete it: the ids of its events."""
    found: list[str] = []
    for segment in log.segments():
        taken = log.recover(segment.name)
        if taken.end > taken.start:
            frames = log.read(taken.name, taken.start, taken.end)
            found += [at.envelope.event_id for at in frames if at.envelope is not None]
            log.delete(taken.name)
    return found


async def _write(place: Place) -> None:
    config = WriterConfig(segment_bytes=2_000, segment_age_s=60.0, min_free_bytes=0)
    writer = ObjectLog(S3(place), SystemClock()).writer(config)
    for n in range(GROUPS):
        sent = [_envelope(2 * n), _envelope(2 * n + 1)]
        try:
            await writer.append(sent)
        except NotDurable:
            continue
        os.write(1, "".join(f"{each.event_id}\n" for each in sent).encode())
    await writer.close()


def _envelope(n: int) -> Envelope:
    its_id = event_id("gateway", "provider", str(n))
    return Envelope(its_id, "provider", "sms", "gateway", n, "sms/1", "b1", "text/plain", "", b"x" * 200)


def main() -> int:
    """Be the writer, or run trials: exit code 1 when one found something."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if sys.argv[1] == "write":
        signal.alarm(LIMIT_S)
        job = json.loads(sys.stdin.readline())
        failpoints.arm(job["failpoint"])
        asyncio.run(_write(Place(**job["place"])))
        return 0
    place = Place(**json.loads(Path(sys.argv[1]).read_text()))
    trials = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    findings = [
        f"seed {seed}: {found}"
        for seed in range(trials)
        for found in steal(place.within(f"stolen/{os.getpid()}-{seed}"), seed)
    ]
    print("\n".join([*findings, f"{trials} trials, {len(findings)} findings"]))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
