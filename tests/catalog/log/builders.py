"""Envelopes, clocks and small steps that the log's tests share."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from catalog.envelope import Envelope
from catalog.ids import event_id
from catalog.log.local import LocalLog
from catalog.log.writer import Writer, WriterConfig

SMALL = WriterConfig(segment_bytes=1 << 26, segment_age_s=60, min_free_bytes=0)


class FakeClock:
    """A clock that moves when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now_us(self) -> int:
        return 1_700_000_000_000_000 + int(self.seconds * 1_000_000)

    def elapsed_s(self) -> float:
        return self.seconds


def envelope(n: int, channel: str = "sms", payload: bytes | None = None) -> Envelope:
    """The n-th event of a test."""
    return Envelope(
        event_id=event_id("gateway", "provider", str(n)),
        id_origin="provider",
        channel=channel,
        source="gateway",
        received_us=1_700_000_000_000_000 + n,
        contract=f"{channel}/1",
        bundle="b1",
        content_type="application/json",
        key_id="",
        payload=b'{"id":"%d","text":"no signal"}' % n if payload is None else payload,
    )


def envelopes(*numbers: int) -> list[Envelope]:
    """The events of these numbers."""
    return [envelope(n) for n in numbers]


def open_log(root: Path) -> LocalLog:
    """A log on the fake clock."""
    return LocalLog(root, FakeClock())


def open_writer(root: Path, config: WriterConfig = SMALL) -> Writer:
    """A writer on the fake clock."""
    return open_log(root).writer(config)


def write_sealed(root: Path, groups: Sequence[Sequence[Envelope]]) -> str:
    """Append these groups and seal them; the segment's name."""
    return _write(root, groups, seal=True)


def write_live(root: Path, groups: Sequence[Sequence[Envelope]]) -> str:
    """Append these groups and let go as a process that died does; the segment's name."""
    return _write(root, groups, seal=False)


def _write(root: Path, groups: Sequence[Sequence[Envelope]], *, seal: bool) -> str:
    before = {segment.name for segment in open_log(root).segments()}

    async def append() -> None:
        writer = open_writer(root)
        for group in groups:
            await writer.append(group)
        if seal:
            await writer.close()
        else:
            let_go(writer)

    asyncio.run(append())
    (name,) = {segment.name for segment in open_log(root).segments()} - before
    return name


def let_go(writer: Writer) -> None:
    """Close a writer's files as they are: what the kernel does when its process dies."""
    segment = writer._sink._segment  # type: ignore[attr-defined]
    if segment is not None:
        segment.abandon()
    writer._thread.shutdown()


def offsets(root: Path, segment: str) -> list[int]:
    """Where the readable frames of a segment begin."""
    return [located.offset for located in open_log(root).salvage(segment)[0]]


def file_of(root: Path, segment: str) -> Path:
    """A segment's file under whichever name it has."""
    (path,) = [
        root / f"{segment}{suffix}"
        for suffix in (".log", ".sealed")
        if (root / f"{segment}{suffix}").exists()
    ]
    return path


def flip(path: Path, bit: int) -> None:
    """Flip one bit of a file; the same again undoes it."""
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
