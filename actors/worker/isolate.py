"""Finding the event that ends a process: the plan's frames run again in child processes, halved each time.

A chance kill never blames an event: only a death that comes twice for one frame alone, and not by
SIGKILL, does. The children hold no lock and no connection, and print nothing: what they hold is private.
"""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable

from actors.worker.config import WorkerConfig
from actors.worker.worker import Worker
from catalog.control.plans import Amendments, Plan
from catalog.errors import Unavailable

DEATHS_TO_BLAME = 2
KILLS_TO_BEAR = 20


def poisonous(config: WorkerConfig, plan: Plan, amendments: Amendments) -> list[tuple[str, int, str]]:
    """(segment, offset, event id) of the plan's frames that end a process each time they run alone."""
    frames = config.history().frames(plan, amendments)
    found = bisect(lambda first, last: dies(config, plan, amendments, first, last), len(frames))
    # A machine on which a child dies over no frame at all says nothing about any of them.
    if found and dies(config, plan, amendments, 0, 0):
        raise Unavailable("isolated processes fail by themselves", hint="check memory and installation")
    return [
        (at.segment, at.offset, at.envelope.event_id)
        for at in (frames[position] for position in found)
        if at.envelope is not None
    ]


def bisect(dies_in: Callable[[int, int], bool], frames: int) -> list[int]:
    """Which of `frames` die alone, given whether the frames [first, last) end a process together."""
    found: list[int] = []
    suspect = [(0, frames)] if frames else []
    while suspect:
        first, last = suspect.pop()
        if last - first == 1:
            if all(dies_in(first, last) for _ in range(DEATHS_TO_BLAME)):
                found.append(first)
        elif dies_in(first, last):
            middle = (first + last) // 2
            suspect += [(middle, last), (first, middle)]
    return sorted(found)


def dies(config: WorkerConfig, plan: Plan, amendments: Amendments, first: int, last: int) -> bool:
    """Whether a child that runs the frames [first, last) fails to finish by its own doing."""
    job = pickle.dumps((config, plan, amendments, first, last))
    for _ in range(KILLS_TO_BEAR):
        child = subprocess.run(
            [sys.executable, "-m", "actors.worker.isolate"],
            input=job,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if child.returncode != -signal.SIGKILL:
            return child.returncode != 0
    return False


def main() -> None:
    """The child: run the job on standard input and end; how it ends is the answer."""
    config, plan, amendments, first, last = pickle.load(sys.stdin.buffer)
    Worker(config).pure(plan, amendments, first, last)


if __name__ == "__main__":
    main()
