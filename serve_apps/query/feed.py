"""The lake's commits as they happen: looked for once for all subscribers of a replica."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

from catalog.errors import BeejanError
from catalog.lake.commit import Lake
from catalog.lake.commits import Commit, commits, counted_to, ledger_location

T = TypeVar("T")
log = logging.getLogger(__name__)


class CommitFeed:
    """Gives each commit in order to any number of subscribers, each at a position of its own.

    Nothing is kept for a subscriber: one that falls behind reads what it missed from the lake, a piece at a
    time. While nobody subscribes nothing is looked at.
    """

    def __init__(
        self,
        lake: Callable[[], Lake],
        is_ending: Callable[[], bool] = lambda: False,
        look_s: float = 0.3,
        piece: int = 200,
        kept: int = 1_000,
    ) -> None:
        """`lake` opens one for this feed alone, on first use; `piece` commits are read at once at most."""
        self._open, self._is_ending, self._look_s, self._piece = lake, is_ending, look_s, piece
        self._lake: Lake | None = None
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="commits")  # a lake is for one thread
        self._recent: deque[Commit] = deque(maxlen=kept)
        self._seen, self._location = 0, ""
        """The last commit that the shared poller read, and where the ledger was then."""
        self._changed = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None
        self.subscribers = 0
        self.is_away = False
        """Whether the last look failed."""
        self.has_ended = False
        """Whether this replica is about to end, so that subscribers go elsewhere."""

    async def last(self) -> int:
        """The last commit now. Raises BeejanError while the lake is away."""
        return await self._read(counted_to)

    @asynccontextmanager
    async def subscription(self, last: int) -> AsyncIterator[None]:
        """Count a subscriber for the time of the block; `last` is what `last` gave it."""
        self.subscribers += 1
        if self._poller is None:
            self._recent.clear()
            self._seen, self._location = last, ""
            self._poller = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            self.subscribers -= 1
            if not self.subscribers and self._poller is not None:
                self._poller.cancel()
                self._poller = None

    async def after(self, seq: int) -> list[Commit]:
        """The next commits behind `seq`, waiting for one; none where the state of the feed has changed
        instead. Raises BeejanError while older ones cannot be read."""
        if seq >= self._seen:
            await self._changed.wait()
        if seq >= self._seen:
            return []
        if self._recent and self._recent[0].commit_seq <= seq + 1:
            return [each for each in self._recent if each.commit_seq > seq][: self._piece]
        upto = min(seq + self._piece, self._seen)
        return await self._read(partial(commits, after=seq, upto=upto))

    def close(self) -> None:
        """Release what was opened; nobody subscribes any more."""
        self._reader.shutdown(wait=True, cancel_futures=True)
        if self._lake is not None:
            self._lake.close()

    async def _poll(self) -> None:
        while not self.has_ended:
            more = False
            try:
                more = await self._look()
                is_away = False
            except Exception as trouble:  # noqa: BLE001 - a poller that ended would leave its subscribers waiting
                is_away = True
                if not self.is_away:
                    what = trouble if isinstance(trouble, BeejanError) else type(trouble).__name__
                    log.warning("commits cannot be read: %s", what)
            if is_away != self.is_away or self._is_ending():
                self.is_away, self.has_ended = is_away, self._is_ending()
                self._wake()
            if not more:
                await asyncio.sleep(self._look_s)

    async def _look(self) -> bool:
        """Read what is new, up to a piece of it; whether there is more."""
        location = await self._read(ledger_location)
        if location == self._location:
            return False
        last = await self._read(counted_to)
        upto = min(last, self._seen + self._piece)
        if upto > self._seen:
            self._recent.extend(await self._read(partial(commits, after=self._seen, upto=upto)))
            self._seen = upto
            self._wake()
        if upto == last:
            self._location = location  # the table may have moved on since: the next look sees that
        return upto < last

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _read(self, read: Callable[[Lake], T]) -> T:
        def work() -> T:
            if self._lake is None:
                self._lake = self._open()
            return read(self._lake)

        return await asyncio.get_running_loop().run_in_executor(self._reader, work)
