"""The log in an object store, for any number of machines: reading, taking over and removing segments.

Nobody holds a lock. Whoever creates the footer at a segment's end has sealed it, and its writer is told so
by the same name. A segment is taken over when it has not grown for `takeover_s`, which is much longer than
its writer lets it get old; should the writer live after all, it loses the segment and nothing else.

Deleting leaves the footer as a tombstone, for a writer that was stopped inside a create must not find its
name free. It stands for longer than a writer trusts its segment (`grown.TRUSTED_S`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from catalog.clock import Clock
from catalog.errors import SegmentLocked, Unavailable
from catalog.failpoints import hit
from catalog.log.frames import HEADER_BYTES, Footer
from catalog.log.grown import GROUPS, HEADS, SEGMENT, TRUSTED_S, GrownSegment, group_key, head_key
from catalog.log.parts import Cache, Parts
from catalog.log.port import Log, Segment
from catalog.log.reader import Opened, corrupt
from catalog.log.writer import Rolling, Writer, WriterConfig
from catalog.objects.port import Objects

TAKEOVER_S = 900.0
TOMBSTONE_S = 2 * TRUSTED_S
CACHE_BYTES = 64 << 20
FETCHERS = 8
SEEN = 4096
"""So many segments are remembered, and all that are listed."""
_NOW = "clock/now"


class ObjectLog(Log):
    """A log over objects. What is sealed is listed once and remembered."""

    def __init__(self, objects: Objects, clock: Clock, takeover_s: float = TAKEOVER_S) -> None:
        self._objects = objects
        self._clock = clock
        self._takeover_s = takeover_s
        self._cache = Cache(CACHE_BYTES)
        self._fetchers = ThreadPoolExecutor(FETCHERS, thread_name_prefix="log-fetch")
        self._seen: dict[str, Parts] = {}
        self._room = SEEN
        self._grew_s: dict[str, float] = {}
        self._tombstones: deque[tuple[float, str]] = deque()
        self._turn = threading.RLock()

    def writer(self, config: WriterConfig) -> Writer:
        """As the port says; of the config, `min_free_bytes` says nothing about an object store."""
        begin = partial(GrownSegment, self._objects, self._clock)
        return Writer(Rolling(begin, lambda: None, self._clock, config), config.queue_bytes, config.answer_s)

    def segments(self) -> list[Segment]:
        """As the port says; every group that exists is durable.

        A sealed one without frames is not shown as sealed: `recover` removes it. Raises WrongVersion.
        """
        names = [each.key.rpartition("/")[2] for each in self._objects.list(HEADS)]
        segments = []
        with self._turn:
            for gone in self._seen.keys() - set(names):
                self._forget(gone)
            self._room = max(SEEN, len(names))  # or each would push out the next one that is asked for
            for name in filter(SEGMENT.fullmatch, names):
                try:
                    parts = self._look(name)
                except LookupError:
                    continue  # removed since
                is_sealed = parts.sealed and parts.end > HEADER_BYTES
                segments.append(Segment(name, HEADER_BYTES, parts.end, is_sealed))
        return segments

    @contextmanager
    def _open(self, segment: str) -> Iterator[Opened]:
        with self._turn:
            yield self._look(segment).opened()

    def _look(self, segment: str) -> Parts:
        parts = self._seen.get(segment)
        try:
            if parts is None:
                parts = Parts(self._objects, self._cache, self._fetchers, segment)
            if parts.look() or segment not in self._seen:
                self._grew_s[segment] = self._clock.elapsed_s()
        except LookupError:
            self._forget(segment)
            raise
        self._seen[segment] = parts
        if len(self._seen) > self._room:
            self._forget(next(iter(self._seen)))  # where nobody asks for the listing, which does so too
        return parts

    def _forget(self, segment: str) -> None:
        self._seen.pop(segment, None)
        self._grew_s.pop(segment, None)

    def recover(self, segment: str, given_up: AbstractSet[int] = frozenset()) -> Segment:
        """As the port says: a writer counts as living while its segment grows, and `takeover_s` longer."""
        with self._turn:
            parts = self._look(segment)
            if not parts.sealed and self._clock.elapsed_s() - self._grew_s[segment] < self._takeover_s:
                hint = "its groups are planned as they come; it is sealed once it has not grown for a while"
                raise SegmentLocked("a segment may still be written", hint=hint, segment=segment)
            while not parts.sealed:
                self._seal(parts, given_up)
            if parts.end == HEADER_BYTES:
                self._remove(segment)
            return Segment(segment, HEADER_BYTES, parts.end, True)

    def _seal(self, parts: Parts, given_up: AbstractSet[int]) -> None:
        """Create the footer where the frames end; a late group that has the name is taken in instead."""
        # 1. Every frame: what was durable and is bad needs a person.
        opened, frames = parts.opened(), 0
        if opened.end > HEADER_BYTES and not opened.codec.is_salt_known and HEADER_BYTES not in given_up:
            raise corrupt(parts.segment, HEADER_BYTES)
        for offset, body in opened.reader.walk(HEADER_BYTES, opened.end):
            if body is None and offset not in given_up:
                raise corrupt(parts.segment, offset)
            frames += 1
        # 2. The footer, which whoever comes first creates.
        footer = opened.codec.encode_footer(Footer(frames, opened.reader.digest(opened.end)))
        self._objects.create(group_key(parts.segment, opened.end), footer)
        hit("log.sealed")
        # 3. What stands there now.
        if not parts.look():
            raise Unavailable("a listing lags behind", hint="try again", segment=parts.segment)

    def delete(self, segment: str) -> None:
        """As the port says. A crash leaves groups without a header: `sweep` or a repetition removes them."""
        with self._turn:
            try:
                if not self._look(segment).sealed:
                    raise SegmentLocked("a segment is not sealed", hint="recover it first", segment=segment)
            except LookupError:
                pass
            self._remove(segment)

    def _remove(self, segment: str) -> None:
        # 1. Out of the listing. 2. The groups. The last object is the footer: it stays as the tombstone.
        self._objects.delete([head_key(segment)])
        keys = [each.key for each in self._objects.list(f"{GROUPS}/{segment}")]
        self._objects.delete(keys[:-1])
        self._forget(segment)
        # 3. Tombstones of our own that nobody can run into any more.
        now_s = self._clock.elapsed_s()
        self._tombstones.extend((now_s, key) for key in keys[-1:])
        while self._tombstones and now_s - self._tombstones[0][0] >= TOMBSTONE_S:
            self._objects.delete([self._tombstones.popleft()[1]])

    def sweep(self) -> list[str]:
        """As the port says: groups of headerless segments, and tombstones by the store's own clock."""
        swept: list[str] = []
        now_us = self._store_us()
        for segment in self._objects.folders(GROUPS):
            left = list(self._objects.list(f"{GROUPS}/{segment}"))
            try:
                # Asked after the listing: the header comes before the first group, and once gone stays gone.
                self._objects.get(head_key(segment))
            except LookupError:
                swept += [each.key for each in left[:-1]]
                swept += [
                    each.key for each in left[-1:] if now_us - each.modified_us >= TOMBSTONE_S * 1_000_000
                ]
        self._objects.delete(swept)
        return swept

    def _store_us(self) -> int:
        self._objects.put(_NOW, b"")
        (now,) = self._objects.list(_NOW.partition("/")[0])
        return now.modified_us
