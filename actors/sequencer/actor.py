"""The sequencer as a Ray actor: one thread runs it, another hears that it should stop.

A driver that lost its connection asks again while the first `run` goes on: the second waits for the lease.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

Run = Callable[[bool, Callable[[], bool], Callable[[], bool], Callable[[float], object]], bool]
"""Called with (until_idle, stopping, give_up, pause): waits for the lease, then turns; False where it gave
up."""


class SequencerActor:
    """Receives the function that builds it; remembers nothing that is not durable elsewhere."""

    def __init__(self, build: Callable[[], Run]) -> None:
        self._stop = threading.Event()
        self._news = threading.Event()
        self._run = build()

    def run(self, until_idle: bool, give_up: Callable[[], bool]) -> bool:
        """Wait for the lease, then turn; False when `give_up` ended the wait."""
        return self._run(until_idle, self._stop.is_set, give_up, self._pause)

    def hint(self) -> None:
        """Something is new: look at once instead of after the pause."""
        self._news.set()

    def _pause(self, seconds: float) -> None:
        self._news.wait(seconds)
        self._news.clear()

    def stop(self) -> None:
        """Finish what is durable and end `run`."""
        self._stop.set()
