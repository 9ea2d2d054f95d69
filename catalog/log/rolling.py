"""Groups go to the current live segment; a new one begins by size, by age, when full, and after an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from catalog.clock import Clock
from catalog.log.frames import FRAME_BYTES
from catalog.log.writer import WriterConfig


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
    """A `writer.Sink` over live segments of any backend."""

    def __init__(
        self,
        begin: Callable[[], Live],
        require_room: Callable[[], None],
        clock: Clock,
        config: WriterConfig,
    ) -> None:
        self._begin = begin
        self._require_room = require_room
        self._clock = clock
        self._config = config
        self._segment: Live | None = None

    def flush(self, bodies: list[bytes]) -> None:
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
        if self._segment is None:
            self._segment = self._begin()
        self._segment.append(bodies)

    def roll_if_old(self) -> None:
        if self._segment is not None and self._is_old(self._segment):
            self.close()

    def close(self) -> None:
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
