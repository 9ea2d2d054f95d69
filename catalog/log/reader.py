"""Reading one segment: walk its frames, tell bad ones, find the next readable frame behind them.

Knows bytes at offsets, not files: any backend that can read a range can use it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple, TypeVar

from catalog.envelope import NO_CHANNEL, Located
from catalog.errors import CorruptFrame
from catalog.log.frames import FRAME_BYTES, Codec, Footer, channel_of, decode_body
from catalog.log.port import NO_LIMIT, Bad, Headers, Scan

T = TypeVar("T")

_WINDOW_BYTES = 1024 * 1024


def corrupt(segment: str, offset: int) -> CorruptFrame:
    """The error that stops a segment, with what a person can do about it."""
    hint = f"restore the file, or give the frame up: beejan log quarantine {segment} {offset}"
    told = "a durable frame cannot be read; its segment waits"
    return CorruptFrame(told, hint=hint, segment=segment, offset=offset)


class SegmentReader:
    """The frames of one segment; `bytes_at(offset, size)` gives its bytes, fewer at its end."""

    def __init__(self, segment: str, codec: Codec, bytes_at: Callable[[int, int], bytes]) -> None:
        self.segment = segment
        self._codec = codec
        self.bytes_at = bytes_at

    def digest(self, end: int) -> bytes:
        """SHA-256 over everything before `end`, as a footer there says it."""
        sha = hashlib.sha256()
        offset = 0
        while part := self.bytes_at(offset, min(_WINDOW_BYTES, end - offset)):
            sha.update(part)
            offset += len(part)
        return sha.digest()

    def walk(self, start: int, end: int) -> Iterator[tuple[int, bytes | None]]:
        """Offset and body of each frame in [start, end); None for a bad one, which ends where the next
        readable frame begins."""
        return self._walk(start, end, self._codec.split, _WINDOW_BYTES)

    def _walk(
        self, start: int, end: int, split: Callable[[bytes], tuple[list[tuple[int, T]], int]], window: int
    ) -> Iterator[tuple[int, T | None]]:
        offset = start
        while offset < end:
            found, used = split(self.bytes_at(offset, min(window, end - offset)))
            for position, each in found:
                yield offset + position, each
            offset += used
            if found:
                continue
            alone = self._frame(offset, end)
            if alone is None:
                yield offset, None
                offset = self.next_readable(offset + 1, end)
            else:
                yield offset, split(alone)[0][0][1]
                offset += len(alone)

    def _frame(self, offset: int, end: int) -> bytes | None:
        """The bytes of the good frame at an offset."""
        size = self._codec.frame_size(self.bytes_at(offset, min(FRAME_BYTES, end - offset)))
        if size is None or offset + size > end:
            return None
        frame = self.bytes_at(offset, size)
        return frame if self._codec.split(frame)[0] else None

    def group_start(self, offset: int) -> int:
        """Where the group began that the good frame at `offset` was written with."""
        return self._codec.group_start(offset, self.bytes_at(offset, FRAME_BYTES))

    def next_readable(self, offset: int, end: int) -> int:
        """Where the first readable frame at or after `offset` begins; `end` when there is none before it."""
        mark = self._codec.frame_mark
        while offset < end:
            window = self.bytes_at(offset, min(_WINDOW_BYTES, end - offset))
            position = window.find(mark)
            while position >= 0:
                if self._frame(offset + position, end) is not None:
                    return offset + position
                position = window.find(mark, position + 1)
            if len(window) < _WINDOW_BYTES:
                break
            offset += len(window) - len(mark) + 1
        return end

    def scan(
        self, start: int, end: int, max_frames: int, given_up: AbstractSet[int], max_bytes: int = NO_LIMIT
    ) -> Scan:
        """As `port.Log.scan`, for the durable range that ends at `end`."""
        channels: Counter[bytes] = Counter()
        frames, stop, corrupt_at = 0, start, None
        for offset, body in self.walk(start, end):
            stop = offset
            if frames == max_frames or offset - start >= max_bytes:
                break
            if offset in given_up:
                channels[NO_CHANNEL.encode()] += 1
            elif body is None:
                corrupt_at = offset
                break
            else:
                channels[channel_of(body)] += 1
            frames += 1
        else:
            stop = max(start, end)
        by_channel = {name.decode("ascii", "replace"): n for name, n in sorted(channels.items())}
        return Scan(self.segment, start, stop, frames, by_channel, corrupt_at)

    def headers(self, start: int, stop: int, end: int, given_up: AbstractSet[int]) -> Headers:
        """As `port.Log.headers`, for the durable range that ends at `end`."""
        begins: list[int] = []
        stamps: list[int] = []
        channels: list[bytes] = []
        corrupt_at, last, newest = None, start, 0
        window = min(_WINDOW_BYTES, max(stop - start, 0))
        for offset, header in self._walk(start, end, self._codec.headers, window):
            last = offset
            if offset >= stop:
                break
            if offset in given_up:
                channel = NO_CHANNEL.encode()
            elif header is None:
                corrupt_at = offset
                break
            else:
                back, received_us, channel = header
                if back == 0:
                    _stamp(stamps, len(begins), newest)
                if received_us > newest:
                    newest = received_us
            begins.append(offset)
            channels.append(channel)
        else:
            last = max(start, end)
        _stamp(stamps, len(begins), newest)
        return Headers(start, [*begins[1:], last] if begins else [], stamps, channels, corrupt_at)

    def read(self, start: int, stop: int, given_up: AbstractSet[int]) -> list[Located]:
        """As `port.Log.read`."""
        located = []
        for offset, body in self.walk(start, stop):
            if offset in given_up:
                located.append(Located(self.segment, offset, None))
                continue
            if body is None:
                raise corrupt(self.segment, offset)
            try:
                located.append(Located(self.segment, offset, decode_body(body)))
            except ValueError as error:
                raise corrupt(self.segment, offset) from error
        return located

    def salvage(self, start: int, end: int) -> tuple[list[Located], list[Bad]]:
        """Everything readable in [start, end), and each frame that is not."""
        located, bad = [], []
        for offset, body in self.walk(start, end):
            try:
                if body is None:
                    raise ValueError("not a frame")
                located.append(Located(self.segment, offset, decode_body(body)))
            except ValueError:
                bad.append(Bad(self.segment, offset, "frame"))
        return located, bad


def _stamp(stamps: list[int], upto: int, newest_us: int) -> None:
    """Give the frames of a group, those after the last stamp, the newest received_us of it and what is before
    it: the whole group was received before any of it was acknowledged."""
    stamps += [newest_us] * (upto - len(stamps))


class Opened(NamedTuple):
    """A segment as it was found: its frames end at `end`, and `footer` stands there if it is good."""

    size_bytes: int
    end: int
    sealed: bool
    codec: Codec
    footer: Footer | None
    reader: SegmentReader
