"""A home in a folder, and the commands' own functions on it, in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from catalog.clock import SystemClock
from cluster import plain
from cluster.home import Home
from cluster.settings import Settings
from cluster.wiring import open_log, writer_config
from pipelines.append import envelope


def small(home: Path, **changes: Any) -> Settings:
    """Settings under which every step happens within a few hundred events."""
    given = {"plan_rows": 50, "segment_bytes": 16_384, "checkpoint_plans": 2, "min_free_bytes": 0}
    return replace(Settings(), home=home, **{**given, **changes})


def line(
    number: int, text: str = "", channel: str = "sms", source: str = "gateway", date: str = "2026-11-20"
) -> bytes:
    """One line for the door; the text is unlike that of other numbers unless given."""
    words = text or f"complaint {number:06d} " + " ".join(f"{number * k % 9973:04d}" for k in range(1, 20))
    payload = {"id": f"event-{number}", "text": words, "event_time": f"{date}T10:00:00+01:00"}
    return json.dumps({"channel": channel, "source": source, "payload": payload}).encode()


def append(settings: Settings, lines: Iterable[bytes]) -> list[str]:
    """Through the door; the ids in order, once they are durable."""
    Home(settings.home).make()
    envelopes = [envelope(each, i, "test", SystemClock()) for i, each in enumerate(lines, 1)]

    async def write() -> None:
        log, _ = open_log(settings)
        writer = log.writer(writer_config(settings))
        for begin in range(0, len(envelopes), 40):
            await writer.append(envelopes[begin : begin + 40])
        await writer.close()

    asyncio.run(write())
    return [stored.event_id for stored in envelopes]


def run(settings: Settings) -> None:
    """`beejan run --runtime plain --until-idle`, in this process."""
    plain.run(settings, True, lambda: False, lambda: False)
