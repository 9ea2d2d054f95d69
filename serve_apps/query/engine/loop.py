"""The life of a process that works for a door: set up, then a frame in, a frame out, until the pipe ends."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from serve_apps.query.engine.wire import Ask, Setup, Told, framed, read, write

SLACK_BYTES = 512 << 20
"""Of address space beside what the work itself may take: threads' stacks, and what reading Parquet maps."""


def work(asked: BinaryIO, told: BinaryIO, prepare: Callable[[Setup], Callable[[Ask], Told]]) -> None:
    """`prepare` gives what answers. No file may be written by it, and memory ends."""
    setup = msgspec.msgpack.decode(read(asked), type=Setup)
    answer = prepare(setup)
    confine(setup.memory_bytes)
    write(told, framed(Told()))
    decoder = msgspec.msgpack.Decoder(Ask)
    while frame := read(asked):
        ask = decoder.decode(frame)
        # Ends this process even where the door, which should have ended it, is gone.
        signal.alarm(int(ask.seconds) + 5)
        write(told, framed(answer(ask)))
        signal.alarm(0)


def confine(memory_bytes: int) -> None:
    """No file may be written and no core dumped; memory ends somewhere above the limit of the work."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + 2 * memory_bytes + SLACK_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
