"""A few processes for many threads: each works for one of them at a time, and a spent one is replaced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, LifoQueue

from catalog.clock import Clock
from catalog.errors import Busy
from serve_apps.query.engine.process import Process
from serve_apps.query.engine.wire import Setup


class Pool:
    """Starts `count` processes that run `module`; who asks for one more waits `wait_s`, or is told Busy."""

    def __init__(self, module: str, setup: Setup, clock: Clock, count: int, wait_s: float) -> None:
        self._module, self._setup, self._clock, self._wait_s = module, setup, clock, wait_s
        self._free: LifoQueue[Process] = LifoQueue()
        self._count = count
        for _ in range(count):
            self._free.put(self._start())

    @contextmanager
    def one(self) -> Iterator[Process]:
        """A process for the time of the block. Raises Busy, or Unavailable when none can be made."""
        try:
            process = self._free.get(timeout=self._wait_s)
        except Empty:
            raise Busy("all query processes are at work", hint="wait a moment and ask again") from None
        try:
            process = self._usable(process)
            yield process
        finally:
            try:
                process = self._usable(process)
            finally:  # one that could not be replaced is tried again when its turn comes
                self._free.put(process)

    def close(self) -> None:
        """End them; waits for those at work, and may be called again."""
        while self._count:
            self._free.get().end()
            self._count -= 1

    def _usable(self, process: Process) -> Process:
        """This process, or another in its place."""
        if not process.spent:
            return process
        process.end()
        return self._start()

    def _start(self) -> Process:
        return Process(self._module, self._setup, self._clock)
