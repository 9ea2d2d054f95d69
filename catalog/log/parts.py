"""One segment of an object store as it was last seen: which objects it has, and its bytes across them."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Executor

from catalog.log.frames import FOOTER_BYTES, HEADER_BYTES, Codec, Footer
from catalog.log.grown import group_key, head_key, offset_of
from catalog.log.reader import Opened, SegmentReader
from catalog.objects.port import Listed, Objects


class Cache:
    """Contents of objects, which never change: the last `limit_bytes` of them."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def get(self, key: str) -> bytes | None:
        """The content, if it is here."""
        return self._kept.get(key)

    def keep(self, key: str, content: bytes) -> None:
        """Keep one more, however large, and drop the oldest for it: it is asked for a window at a time."""
        self._size_bytes += len(content) - len(self._kept.pop(key, b""))
        self._kept[key] = content
        while self._size_bytes > self._limit_bytes and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._size_bytes -= len(dropped)


class Parts:
    """The objects of one segment in the order of their offsets, as far as they were listed."""

    def __init__(self, objects: Objects, cache: Cache, fetchers: Executor, segment: str) -> None:
        """Raises LookupError when the segment is not listed."""
        self._objects = objects
        self._cache = cache
        self._fetchers = fetchers
        self.segment = segment
        self._header = objects.get(head_key(segment))
        self._starts: list[int] = [0]
        self._ends: list[int] = [HEADER_BYTES]
        self._footer: Footer | None = None
        self._codec = Codec(self._header)

    @property
    def sealed(self) -> bool:
        """Whether it was seen to have a footer."""
        return self._footer is not None

    @property
    def end(self) -> int:
        """Where the frames end that were seen."""
        return self._ends[-1]

    def look(self) -> bool:
        """List what is new; True when there was something. Raises LookupError when the segment has gone."""
        if self.sealed:
            return False
        last = group_key(self.segment, self._starts[-1])
        found = [*self._objects.list(last.rpartition("/")[0], last)]
        if self._has_hole(found):
            self._require_head()  # it may be going, group by group
        for each in found:
            if each.size_bytes == FOOTER_BYTES:
                self._footer = self._codec.decode_footer(self._fetch(each.key))
                if self._footer is not None:
                    self._ends[-1] = offset_of(each.key)  # a hole before it is a bad frame
                    break
            self._starts.append(offset_of(each.key))
            self._ends.append(self._starts[-1] + each.size_bytes)
        return bool(found)

    def _has_hole(self, found: Iterable[Listed]) -> bool:
        end = self.end
        for each in found:
            if offset_of(each.key) != end:
                return True
            end += each.size_bytes
        return False

    def opened(self) -> Opened:
        """The segment as it was last seen."""
        reader = SegmentReader(self.segment, self._codec, self.read)
        return Opened(self.end, self.end, self.sealed, self._codec, self._footer, reader)

    def read(self, offset: int, size: int) -> bytes:
        """Bytes across objects, fewer at the end; where an object is missing there are zeros.

        Raises LookupError when the segment has gone since.
        """
        stop = min(offset + size, self.end)
        if offset >= stop:
            return b""
        first, last = (bisect_right(self._starts, at) - 1 for at in (offset, stop - 1))
        window = bytearray(stop - offset)
        for index, content in zip(range(first, last + 1), self._contents(first, last), strict=True):
            start = self._starts[index]
            begin, end = max(start, offset), min(start + len(content), self._limit(index), stop)
            if begin < end:
                window[begin - offset : end - offset] = content[begin - start : end - start]
        return bytes(window)

    def _limit(self, index: int) -> int:
        return self._starts[index + 1] if index + 1 < len(self._starts) else self.end

    def _contents(self, first: int, last: int) -> list[bytes]:
        keys = [group_key(self.segment, self._starts[index]) for index in range(first, last + 1)]
        found = {key: content for key in keys if (content := self._cache.get(key)) is not None}
        if first == 0:
            found[keys[0]] = self._header
        missing = [key for key in keys if key not in found]
        for key, content in zip(missing, self._fetchers.map(self._fetch, missing), strict=True):
            found[key] = content
            self._cache.keep(key, content)
        return [found[key] for key in keys]

    def _fetch(self, key: str) -> bytes:
        try:
            return self._objects.get(key)
        except LookupError:
            self._require_head()
            return b""  # lost: its frames are bad ones

    def _require_head(self) -> None:
        self._objects.get(head_key(self.segment))
