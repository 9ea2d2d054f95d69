"""Being told to stop: SIGTERM and SIGINT, noted and looked at between two pieces of work."""

from __future__ import annotations

import signal
import threading


class Stop:
    """Called, it says whether this process was told to stop."""

    def __init__(self) -> None:
        self._told = threading.Event()

    def __call__(self) -> bool:
        return self._told.is_set()

    def listen(self, *numbers: signal.Signals) -> None:
        """Take the signals, SIGTERM and SIGINT unless given; again after a library took them for itself."""
        for number in numbers or (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._told.set())
