"""A door over a real log in a folder, and a client that talks to it in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from catalog.clock import SystemClock
from catalog.control.keys import KeyCache, Keys, Role
from catalog.control.schema import open_control, sqlite_url
from catalog.envelope import Envelope
from catalog.log.local import LocalLog
from catalog.log.writer import WriterConfig
from serve_apps.committed import Committed
from serve_apps.ingest.api import create_api
from serve_apps.ingest.deps import Deps, Limits

CHANNELS = ("social", "sms", "web_form", "call_centre")
NDJSON = {"Content-Type": "application/x-ndjson"}
JSON = {"Content-Type": "application/json"}


async def unknown(_: str) -> Committed | None:
    return None


def token(
    root: Path, source: str = "gateway", channels: tuple[str, ...] = CHANNELS, role: Role = "ingest"
) -> str:
    """A new key's token in the home at `root`."""
    keys = Keys(open_control(sqlite_url(root / "control.db")), SystemClock())
    return keys.create(source, channels if role == "ingest" else (), role).token


def deps(root: Path, limits: Limits | None = None, **changes: Any) -> Deps:
    """What a door over the home at `root` works with."""
    clock = SystemClock()
    keys = Keys(open_control(sqlite_url(root / "control.db")), clock)
    cache = KeyCache(keys.stored, clock, 0.0)
    cache.refresh_if_old()
    given = Deps(
        writer=LocalLog(root / "log", clock).writer(
            WriterConfig(segment_bytes=1 << 20, segment_age_s=60.0, min_free_bytes=0)
        ),
        keys=cache,
        clock=clock,
        bundle=lambda: "test",
        lookup=unknown,
        hint=lambda: None,
        limits=limits or Limits(),
    )
    return given._replace(**changes)


@asynccontextmanager
async def opened(given: Deps, token: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """A client of the door while it is open; afterwards its segment is sealed."""
    app = create_api(given)
    async with app.router.lifespan_context(app), client(app, token) as sender:
        yield sender


def client(app: FastAPI, token: str = "") -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://door", headers=headers)


def stored(root: Path) -> list[Envelope]:
    """Everything in the log, in order of segments and offsets."""
    log = LocalLog(root / "log", SystemClock())
    found = []
    for segment in log.segments():
        found += log.read(segment.name, segment.start, segment.end)
    return [at.envelope for at in found if at.envelope is not None]


def payloads(root: Path) -> list[bytes]:
    """Every payload in the log, in order of segments and offsets."""
    return [envelope.payload for envelope in stored(root)]
