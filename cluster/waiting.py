"""Waiting for others: until something is so, and one process at a time."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOOK_S = 0.1


def wait(is_so: Callable[[], bool], seconds: float) -> bool:
    """Whether it became so in that time."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        if is_so():
            return True
        time.sleep(LOOK_S)
    return False


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Nobody else is in such a block with this file; who comes second waits. Its folder is made for its owner
    only, where it is missing."""
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
