"""One query of a key at a time: whoever asks much waits behind themselves, and nobody else does."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

from serve_apps.query.refusals import refused

T = TypeVar("T")


class Turns:
    """Places of one event loop, one a key, taken in the order of asking.

    A further request of the key waits up to `wait_s`, at most `waiting` of them at once.
    """

    def __init__(self, wait_s: float = 5.0, waiting: int = 4) -> None:
        self._wait_s, self._most = wait_s, waiting
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}
        """Whose turn it is, by key; who waits for the next one, in order."""

    async def run(self, key_id: str, begin: Callable[[], Awaitable[T]]) -> T:
        """What `begin` starts gives; the place is free once that has ended, though its caller may be gone.

        Raises Refused (429) for a request that waited too long, or finds too many waiting.
        """
        await self._take(key_id)
        try:
            working = asyncio.ensure_future(begin())
        except BaseException:
            self._pass_on(key_id)
            raise
        working.add_done_callback(lambda _: self._pass_on(key_id))
        return await asyncio.shield(working)

    async def _take(self, key_id: str) -> None:
        queue = self._queues.get(key_id)
        if queue is None:
            self._queues[key_id] = deque()
            return
        if len(queue) >= self._most:
            raise refused("key_busy")
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            async with asyncio.timeout(self._wait_s):
                await turn
        except TimeoutError:
            self._leave(key_id, turn)
            raise refused("key_busy") from None
        except BaseException:  # the caller went away
            self._leave(key_id, turn)
            raise

    def _leave(self, key_id: str, turn: asyncio.Future[None]) -> None:
        if turn in self._queues[key_id]:
            self._queues[key_id].remove(turn)
        elif not turn.cancelled():  # its turn came in the same moment
            self._pass_on(key_id)

    def _pass_on(self, key_id: str) -> None:
        queue = self._queues[key_id]
        while queue:
            if not (turn := queue.popleft()).done():
                turn.set_result(None)
                return
        del self._queues[key_id]
