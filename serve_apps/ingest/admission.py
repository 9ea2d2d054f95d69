"""What lets a request in or asks it to come back: quota of its source, room in memory, ids seen of late."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serve_apps.ingest.refusals import refused


class Quotas:
    """A bucket of tokens for each source, one token an event.

    Whoever has a token may spend more than it has, and waits afterwards: batches need no rate of their own.
    """

    def __init__(self, rate: float, burst: float, elapsed_s: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._elapsed_s = elapsed_s
        self._buckets: dict[str, tuple[float, float]] = {}

    def require(self, source: str) -> None:
        """Raises Refused (429) while the source has nothing left."""
        tokens = self._tokens(source)
        if tokens < 1.0:
            raise refused("source_too_fast", retry_s=(1.0 - tokens) / self._rate)

    def spend(self, source: str, events: int) -> None:
        """Count events that were let in."""
        self._buckets[source] = (self._tokens(source) - events, self._elapsed_s())

    def _tokens(self, source: str) -> float:
        tokens, at_s = self._buckets.get(source, (self._burst, 0.0))
        return min(self._burst, tokens + (self._elapsed_s() - at_s) * self._rate)


class Room:
    """Bytes of bodies held in memory, of all requests together."""

    def __init__(self, limit_bytes: int) -> None:
        self._free_bytes = limit_bytes

    @contextmanager
    def lease(self) -> Iterator[Callable[[int], None]]:
        """A function that takes bytes, all given back in the end; it raises Refused (429) when full."""
        held_bytes = 0

        def take(size_bytes: int) -> None:
            nonlocal held_bytes
            if size_bytes > self._free_bytes:
                raise refused("door_full")
            self._free_bytes -= size_bytes
            held_bytes += size_bytes

        try:
            yield take
        finally:
            self._free_bytes += held_bytes


class Recent:
    """What was acknowledged last, by id: the digest of its first bytes here, and when they were received.

    Best effort, gone with the replica; another one may have acknowledged other bytes before.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: OrderedDict[str, tuple[bytes, int]] = OrderedDict()

    def contradicted_us(self, event_id: str, digest: bytes) -> int | None:
        """When the other bytes were received that this id was acknowledged for; None if there are none."""
        known, received_us = self._known.get(event_id, (digest, 0))
        return None if known == digest else received_us

    def remember(self, event_id: str, digest: bytes, received_us: int) -> None:
        """Note what is durable; the first bytes of an id stay, the oldest id is forgotten."""
        self._known.setdefault(event_id, (digest, received_us))
        self._known.move_to_end(event_id)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)
