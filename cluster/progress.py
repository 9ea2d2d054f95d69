"""How far a long command is, on standard error: one live line at a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

from catalog.errors import BeejanError
from cluster.settings import Settings
from cluster.stop import Stop

LIVE_S, LINE_S = 0.5, 10.0


class Progress:
    """Shows a text that changes; a command that is short says nothing where nobody watches."""

    def __init__(self, stream: TextIO | None = None, elapsed_s: Callable[[], float] = time.monotonic) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._is_live = self._stream.isatty()
        self._elapsed_s = elapsed_s
        self._begin_s = elapsed_s()
        self._next_s = self._begin_s + (0 if self._is_live else LINE_S)
        self._is_open = False

    def tell(self, text: Callable[[], str]) -> None:
        """Show what `text` gives, unless something was shown a moment ago."""
        now_s = self._elapsed_s()
        if now_s < self._next_s:
            return
        self._next_s = now_s + (LIVE_S if self._is_live else LINE_S)
        shown = f"{text()} after {now_s - self._begin_s:.0f} s"
        self._stream.write(f"\r{shown}\x1b[K" if self._is_live else f"{shown}\n")
        self._stream.flush()
        self._is_open = self._is_live

    def end(self) -> None:
        """Leave the live line as it is."""
        if self._is_open:
            self._stream.write("\n")
            self._stream.flush()
            self._is_open = False


class ToldStop(Stop):
    """Says whether to stop, and meanwhile how far the home is; every runtime asks it again and again."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        super().__init__()
        self._settings, self._progress = settings, progress
        self._read: Callable[[], str] | None = None

    def __call__(self) -> bool:
        self._progress.tell(self._text)
        return super().__call__()

    def _text(self) -> str:
        with suppress(BeejanError, OSError):  # the runtime says itself what it waits for
            self._read = self._read or reader(self._settings)
            return self._read()
        return "waiting"


def reader(settings: Settings) -> Callable[[], str]:
    """What tells how far a home is, from what is durable."""
    from cluster.stores import open_stores

    stores = open_stores(settings)

    def read() -> str:
        head = stores.head()
        events = sum(counted["received"] for counted in head.totals.values())
        return f"plan {head.commit_seq} of {stores.plans.last()} committed, {events:,} events decided"

    return read
