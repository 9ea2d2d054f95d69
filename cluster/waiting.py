"""Waiting for others: until something is so, and one process at a time."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOOK_S = 0.1


def wait(is_so: Callable[[], bool], seconds: float) -> bool:
    """Whether it became so in that time; a wait that overslept looks once more."""
    until_s = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until_s:
            return False
        time.sleep(LOOK_S)
    return True


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Nobody else is in such a block with this file; who comes second waits. Its folder is made for its owner
    only, where it is missing."""
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
