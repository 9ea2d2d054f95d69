"""One child process that runs queries, seen from the door: asked, waited for, ended."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from catalog.clock import Clock
from catalog.errors import BeejanError, TooLarge, TooSlow, Unavailable
from serve_apps.query.engine.wire import Ask, Setup, Told, framed, write

START_S = 60.0
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

    def ask(self, ask: Ask) -> Told:
        """Raises TooSlow, TooLarge or Unavailable where no answer came: the child is `spent` then. Raises
        BadInput for what cannot be asked."""
        frame = framed(ask)
        self._asked = True
        if not self._ready:
            failed = Unavailable("the query process does not start", hint="check memory and installation")
            self._receive(START_S, failed, failed)
            self._ready = True
        try:
            write(self._stdin, frame)
        except BrokenPipeError:
            raise Unavailable("the query process has ended", hint="ask again") from None
        told = self._receive(
            ask.seconds,
            TooSlow("the query takes too long", hint="read fewer rows", seconds=int(ask.seconds)),
            TooLarge("the query ended its process", hint="it may need too much memory: read fewer rows"),
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

    def _receive(self, seconds: float, late: BeejanError, ended: BeejanError) -> Told:
        deadline = self._clock.elapsed_s() + seconds
        length = int.from_bytes(self._take(8, deadline, late, ended), "big")
        return msgspec.msgpack.decode(self._take(length, deadline, late, ended), type=Told)

    def _take(self, length: int, deadline: float, late: BeejanError, ended: BeejanError) -> bytes:
        parts, missing = [], length
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            while missing:
                if not selector.select(max(0.0, deadline - self._clock.elapsed_s())):
                    raise late
                # Past the buffer of the pipe's object, which the selector knows nothing of.
                part = os.read(self._stdout.fileno(), min(missing, CHUNK_BYTES))
                if not part:
                    raise ended
                parts.append(part)
                missing -= len(part)
        return b"".join(parts)
