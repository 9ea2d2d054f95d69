"""Child processes that run queries, seen from the door: asked, waited for, ended; a few for many threads."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, LifoQueue
from typing import BinaryIO, cast

import msgspec

from catalog.clock import Clock
from catalog.errors import BeejanError, Busy, TooLarge, TooSlow, Unavailable
from serve_apps.query.engine.port import Gone, gone_away, never
from serve_apps.query.engine.wire import Ask, Setup, Told, framed, write

START_S = 60.0
LOOK_S = 0.1
"""How soon it is noticed that a caller has gone away."""
CHUNK_BYTES = 1 << 20


class Process:
    """A child that has been set up, or will be by its first answer. Used by one thread at a time."""

    def __init__(self, module: str, setup: Setup, clock: Clock) -> None:
        """Raises Unavailable when the system makes no process."""
        self._clock = clock
        self.shown: dict[str, str] = {}
        """What the child's tables show: the location of each one's snapshot."""
        self._asked = False
        self._ready = False
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                # It finds the product where we do; of the environment it gets nothing else.
                env={"PYTHONPATH": os.pathsep.join(str(Path(path).resolve()) for path in sys.path)},
            )
        except OSError as error:
            why = str(error.strerror)
            raise Unavailable("no query process can be made", hint="is memory short?", cause=why) from None
        self._stdin, self._stdout = cast(BinaryIO, self._child.stdin), cast(BinaryIO, self._child.stdout)
        with suppress(BrokenPipeError):
            write(self._stdin, framed(setup))

    def ask(self, ask: Ask, gone: Gone = never) -> Told:
        """Raises TooSlow, TooLarge or Unavailable where no answer came, the latter also soon after the caller
        is `gone`: the child is `spent` then. Raises BadInput for what cannot be asked."""
        frame = framed(ask)
        self._asked = True
        if not self._ready:
            failed = Unavailable("the query process does not start", hint="check memory and installation")
            self._receive(START_S, failed, failed, never)  # whoever asks next needs it, too
            self._ready = True
        try:
            write(self._stdin, frame)
        except BrokenPipeError:
            raise Unavailable("the query process has ended", hint="ask again") from None
        told = self._receive(
            ask.seconds,
            TooSlow("the query takes too long", hint="read fewer rows", seconds=int(ask.seconds)),
            TooLarge("the query ended its process", hint="it may need too much memory: read fewer rows"),
            gone,
        )
        self._asked = False
        return told

    @property
    def spent(self) -> bool:
        """Of no more use: it has ended, or was asked something and has not answered."""
        return self._asked or self._child.poll() is not None

    def end(self) -> None:
        """Kill it and let the system forget it."""
        self._child.kill()
        with suppress(BrokenPipeError):
            self._stdin.close()
        self._stdout.close()
        self._child.wait()

    def _receive(self, seconds: float, late: BeejanError, ended: BeejanError, gone: Gone) -> Told:
        deadline = self._clock.elapsed_s() + seconds
        length = int.from_bytes(self._take(8, deadline, late, ended, gone), "big")
        return msgspec.msgpack.decode(self._take(length, deadline, late, ended, gone), type=Told)

    def _take(self, length: int, deadline: float, late: BeejanError, ended: BeejanError, gone: Gone) -> bytes:
        parts, missing = [], length
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            while missing:
                left_s = deadline - self._clock.elapsed_s()
                if not selector.select(max(0.0, min(LOOK_S, left_s))):
                    if gone():
                        raise gone_away()
                    if left_s <= LOOK_S:
                        raise late
                    continue
                # Past the buffer of the pipe's object, which the selector knows nothing of.
                part = os.read(self._stdout.fileno(), min(missing, CHUNK_BYTES))
                if not part:
                    raise ended
                parts.append(part)
                missing -= len(part)
        return b"".join(parts)


class Pool:
    """Starts `count` processes that run `module`, each for one thread at a time; a spent one is replaced.

    Who asks for one more waits `wait_s`, and is told Busy then.
    """

    def __init__(self, module: str, setup: Setup, clock: Clock, count: int, wait_s: float) -> None:
        self._module, self._setup, self._clock, self._wait_s = module, setup, clock, wait_s
        self._free: LifoQueue[Process] = LifoQueue()
        self._count = count
        for _ in range(count):
            self._free.put(self._start())

    @contextmanager
    def one(self, gone: Gone = never) -> Iterator[Process]:
        """A process for the time of the block. Raises Busy, or Unavailable when none can be made, or soon
        after the caller is `gone`."""
        process = self._next(gone)
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

    def _next(self, gone: Gone) -> Process:
        until_s = self._clock.elapsed_s() + self._wait_s
        while True:
            left_s = until_s - self._clock.elapsed_s()
            with suppress(Empty):
                return self._free.get(timeout=max(0.0, min(LOOK_S, left_s)))
            if gone():
                raise gone_away()
            if left_s <= LOOK_S:
                raise Busy("all query processes are at work", hint="wait a moment and ask again")

    def _usable(self, process: Process) -> Process:
        """This process, or another in its place."""
        if not process.spent:
            return process
        process.end()
        return self._start()

    def _start(self) -> Process:
        return Process(self._module, self._setup, self._clock)
