"""One stored payload is found while its segment is written, when it is sealed, and once it is published."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from catalog.clock import SystemClock
from catalog.envelope import Located
from catalog.errors import CorruptFrame
from cluster.home import Home
from cluster.wiring import open_history, open_log, writer_config
from pipelines.append import envelope
from tests.homes import line, run, small


def test_a_payload_is_found_wherever_its_frame_is(tmp_path: Path) -> None:
    settings, clock = small(tmp_path), SystemClock()
    Home(tmp_path).make()
    sent = [envelope(line(i), i, "test", clock) for i in range(4)]
    history = open_history(settings)

    def payloads() -> list[bytes]:
        return [history.payload(at.segment, at.offset) for at in frames]

    async def write() -> None:
        writer = open_log(settings)[0].writer(writer_config(settings))
        await writer.append(sent)
        log, _ = open_log(settings)
        (segment,) = log.segments()
        frames.extend(log.salvage(segment.name)[0])
        seen.append(payloads())
        await writer.close()

    frames: list[Located] = []
    seen: list[list[bytes]] = []
    asyncio.run(write())
    seen.append(payloads())
    run(settings)
    assert list((tmp_path / "log").iterdir()) == []
    seen.append(payloads())
    assert seen == [[each.payload for each in sent]] * 3
    assert json.loads(seen[0][3])["id"] == "event-3"
    with pytest.raises(CorruptFrame):
        history.payload(frames[0].segment, frames[-1].offset + 10_000)
