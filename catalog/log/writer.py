"""The appending end, whatever it appends to: groups, back-pressure, and who is told what.

A group is what arrived while the flush before it was under way: no timer, so a lone request waits for
one flush and a crowd shares one. Flushes run one at a time in a thread of their own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

from catalog.clock import Clock
from catalog.envelope import Envelope
from catalog.errors import NotDurable
from catalog.log.frames import FRAME_BYTES, encode_body


@dataclass(frozen=True)
class WriterConfig:
    """When a writer begins a new segment, and where it stops taking more."""

    segment_bytes: int
    """A segment that would grow past this is sealed first."""
    segment_age_s: float
    """A segment older than this is sealed at the next group or `roll_if_old`."""
    min_free_bytes: int
    """With less room than this on the disk nothing is taken."""
    queue_bytes: int = 64 << 20
    """How much may wait to become durable before `append` waits to be let in."""
    answer_s: float | None = None
    """How long `append` waits for its group; None for as long as a flush takes."""


class Live(Protocol):
    """The writer's end of one segment. After any error it must be abandoned."""

    opened_s: float
    size_bytes: int

    @property
    def is_full(self) -> bool:
        """Whether it takes no further group."""
        ...

    def append(self, bodies: list[bytes]) -> None:
        """Return once a group is durable."""
        ...

    def seal(self) -> None:
        """Close it for ever."""
        ...

    def abandon(self) -> None:
        """Let go of it as it is."""
        ...


class Rolling:
    """Groups go to the current live segment; a new one begins by size, by age, when full, and after an error.

    Called from one thread.
    """

    def __init__(
        self, begin: Callable[[], Live], require_room: Callable[[], None], clock: Clock, config: WriterConfig
    ) -> None:
        """`require_room` raises where there is no room for another group."""
        self._begin = begin
        self._require_room = require_room
        self._clock = clock
        self._config = config
        self._segment: Live | None = None

    def flush(self, bodies: list[bytes]) -> None:
        """Return once the bodies are durable, in order; any error means none may be acknowledged."""
        self._require_room()
        group_bytes = sum(map(len, bodies)) + FRAME_BYTES * len(bodies)
        self._or_abandon(lambda: self._append(bodies, group_bytes))

    def _append(self, bodies: list[bytes], group_bytes: int) -> None:
        segment = self._segment
        if segment is not None and (
            self._is_old(segment)
            or segment.is_full
            or segment.size_bytes + group_bytes > self._config.segment_bytes
        ):
            self._seal()
        self._segment = self._segment or self._begin()
        self._segment.append(bodies)

    def roll_if_old(self) -> None:
        """Seal the segment when its age is over the limit."""
        if self._segment is not None and self._is_old(self._segment):
            self.close()

    def begin(self) -> None:
        """Begin a segment unless there is one."""
        self._require_room()
        if self._segment is None:
            self._segment = self._begin()

    def close(self) -> None:
        """Seal the segment."""
        self._or_abandon(self._seal)

    def _seal(self) -> None:
        if self._segment is not None:
            self._segment.seal()
            self._segment = None

    def _or_abandon(self, step: Callable[[], None]) -> None:
        try:
            step()
        except BaseException:  # whatever it was, the segment may end anywhere: it is never written again
            if self._segment is not None:
                self._segment.abandon()
                self._segment = None
            raise

    def _is_old(self, segment: Live) -> bool:
        return self._clock.elapsed_s() - segment.opened_s >= self._config.segment_age_s


class _Waiting(NamedTuple):
    bodies: list[bytes]
    size_bytes: int
    durable: asyncio.Future[None]


class Writer:
    """The appending end of a log, with segments of its own; belongs to one event loop and one process.

    The first segment begins with the first group.
    """

    def __init__(self, sink: Rolling, queue_bytes: int, answer_s: float | None = None) -> None:
        """`answer_s`: see `WriterConfig`."""
        self._sink = sink
        self._queue_bytes = queue_bytes
        self._answer_s = answer_s
        self._is_late = False
        """Whether a flush takes longer than anybody waits for it."""
        self._queue: list[_Waiting] = []
        self._held_bytes = 0
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()
        self._draining: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log-flush")
        self._pid = os.getpid()
        self._is_healthy = True
        self._is_closed = False

    @property
    def is_healthy(self) -> bool:
        """False after a failure, until a group or `probe` gets through again, and while a flush is late."""
        return self._is_healthy and not self._is_late

    async def append(self, envelopes: Sequence[Envelope]) -> None:
        """Return once every envelope is durable, in order.

        Waits while too much is waiting already, in all at most `answer_s`. Raises NotDurable: none of them
        may be acknowledged (they may still turn up in the log), as when the caller was cancelled; BadInput:
        none was taken.
        """
        self._require_open()
        if self._is_late:
            raise _late()
        bodies = [encode_body(envelope) for envelope in envelopes]
        if not bodies:
            return
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(bodies, sum(map(len, bodies)), durable)
        try:
            async with asyncio.timeout(self._answer_s):
                await self._enter(waiting)
                await durable
        except TimeoutError:
            self._withdraw(waiting)
            raise _late() from None

    async def _enter(self, waiting: _Waiting) -> None:
        async with self._turn:  # in the order they came: a large one is not overtaken for ever
            while self._held_bytes and self._held_bytes + waiting.size_bytes > self._queue_bytes:
                self._freed.clear()
                await self._freed.wait()
            self._held_bytes += waiting.size_bytes
            self._queue.append(waiting)
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())

    def _withdraw(self, waiting: _Waiting) -> None:
        """Nobody waits for it any more: it is not written, unless its group is under way already."""
        kept = [one for one in self._queue if one is not waiting]
        if len(kept) < len(self._queue):
            self._queue = kept
            self._held_bytes -= waiting.size_bytes
            self._freed.set()

    async def roll_if_old(self) -> None:
        """Seal the segment when its age is over the limit. Raises NotDurable as `close` does."""
        self._require_open()
        if not self._is_late:
            await self._seal(self._sink.roll_if_old)

    async def probe(self) -> None:
        """After a failure, see whether a segment can begin again, so that a writer to whom nobody sends
        becomes healthy, too. A failure is none of the caller's."""
        self._require_open()
        if not self._is_healthy and self._draining is None:
            self._is_healthy = await self._in_thread(self._sink.begin) is None

    async def close(self) -> None:
        """Flush what waits, seal the segment and release it.

        Raises NotDurable when it cannot be sealed: what was acknowledged is safe, recovery will seal it.
        """
        if self._is_closed:
            return
        self._require_open()
        self._is_closed = True
        async with self._turn:  # behind everyone who waits to be let in
            draining = self._draining
        if draining is not None:
            await asyncio.wait({draining})
        try:
            await self._seal(self._sink.close)
        finally:
            self._thread.shutdown(wait=False)

    def _require_open(self) -> None:
        if os.getpid() != self._pid:
            raise NotDurable("a writer does not survive a fork", hint="open a writer in the child process")
        if self._is_closed:
            raise NotDurable("the writer is closed", hint="send it again to a running instance")

    async def _drain(self) -> None:
        while self._queue:
            group, self._queue = self._queue, []
            bodies = [body for one in group for body in one.bodies]
            with self._timed():
                failure = await self._in_thread(partial(self._sink.flush, bodies))
            if failure is not None:
                group, self._queue = group + self._queue, []
            self._settle(group, failure)
        self._draining = None

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """A flush, late once it takes longer than anybody waits: whoever comes then is refused at once."""
        loop, timer = asyncio.get_running_loop(), None
        if self._answer_s is not None:
            timer = loop.call_later(self._answer_s, partial(setattr, self, "_is_late", True))
        try:
            yield
        finally:
            self._is_late = False
            if timer is not None:
                timer.cancel()

    def _settle(self, group: list[_Waiting], failure: Exception | None) -> None:
        self._is_healthy = failure is None
        self._held_bytes -= sum(one.size_bytes for one in group)
        self._freed.set()
        for one in group:
            if one.durable.done():  # its caller was cancelled
                continue
            if failure is None:
                one.durable.set_result(None)
            else:
                one.durable.set_exception(_not_durable(failure))

    async def _seal(self, seal: Callable[[], None]) -> None:
        failure = await self._in_thread(seal)
        if failure is not None:
            self._is_healthy = False
            raise NotDurable(
                "a segment could not be sealed",
                hint="what it acknowledged is safe; recovery will seal it",
                reason=str(failure),
            ) from failure

    async def _in_thread(self, work: Callable[[], None]) -> Exception | None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except Exception as error:  # noqa: BLE001 - whatever it was, everyone who waits must be told
            return error
        return None


def _late() -> NotDurable:
    return NotDurable("the log does not answer in time", hint="send it again: it may be stored all the same")


def _not_durable(failure: Exception) -> NotDurable:
    """One error for each who waits: a raised one collects the trace of its own caller."""
    if isinstance(failure, NotDurable):
        error = NotDurable(failure.message, hint=failure.hint, **failure.fields)
    else:
        hint = "nothing was acknowledged without a receipt: send that again; is the disk full or failing?"
        error = NotDurable("the log could not be written", hint=hint, reason=str(failure))
    error.__cause__ = failure
    return error
