"""The door's speed behind uvicorn, beside a no-op behind the same uvicorn: `python -m benchmarks.ingest`.

Server and client are two processes. Client: keep-alive connections, each with one request under way,
written as bytes, so that the client costs less than the server. Every answer is 202 after an fdatasync.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvicorn
from starlette.responses import Response
from starlette.routing import Route, Router

from catalog.clock import SystemClock
from catalog.control.keys import KeyCache, Keys
from catalog.control.schema import open_control, sqlite_url
from catalog.log.local import LocalLog, WriterConfig
from serve_apps.ingest.api import create_api
from serve_apps.ingest.deps import Deps, Limits

TEXT = "no network for three days now, I have called your people again and again and nobody answers me "
JSON, NDJSON = "application/json", "application/x-ndjson"


def noop() -> Any:
    """Reads the body and answers."""

    async def answer(request: Any) -> Response:
        await request.body()
        return Response(b"{}", 202, media_type=JSON)

    return Router([Route("/{rest:path}", answer, methods=["POST"])])


def door(root: Path) -> Any:
    """The door over a log in `root`, without quotas."""
    clock = SystemClock()
    keys = KeyCache(Keys(open_control(sqlite_url(root / "control.db")), clock).stored, clock, 5.0)

    async def nothing(_: object) -> Any:
        return None

    writer = LocalLog(root / "log", clock).writer(WriterConfig())
    limits = Limits(source_rate=1e9, source_burst=1e9)
    return create_api(Deps(writer, keys, clock, lambda: "bench", nothing, lambda: None, nothing, limits))


def serve(listening: socket.socket, root: Path | None) -> None:
    """The server's process; no root = the no-op."""
    config = uvicorn.Config(door(root) if root else noop(), log_level="error", access_log=False)
    uvicorn.Server(config).run(sockets=[listening])


def events(first: int, count: int) -> list[bytes]:
    """Payloads of about 400 bytes by the plain contract."""
    shared = {"text": TEXT * 3, "event_time": "2026-11-20T10:00:00+01:00"}
    return [json.dumps({"id": f"event-{n}", **shared}).encode() for n in range(first, first + count)]


def request(path: str, kind: str, key: str, body: bytes) -> bytes:
    """One request as it goes over the wire."""
    head = f"POST {path}?contract=plain/1 HTTP/1.1\r\nHost: door\r\nAuthorization: Bearer {key}\r\n"
    return f"{head}Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def send(port: int, requests: list[bytes]) -> list[float]:
    """All of them over one connection; seconds of each."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    for each in requests:
        began = time.perf_counter()
        writer.write(each)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
        body = await reader.readexactly(int(length))
        assert b" 202 " in head and body.count(b'"status":') == body.count(b'"status":202'), head + body[:300]
        took.append(time.perf_counter() - began)
    writer.close()
    return took


async def measure(port: int, requests: list[bytes], connections: int, each: int) -> dict[str, float]:
    """Events a second, and milliseconds an answer."""
    began = time.perf_counter()
    found = await asyncio.gather(*(send(port, requests[i::connections]) for i in range(connections)))
    took = sorted(seconds for part in found for seconds in part)
    rate = len(requests) * each / (time.perf_counter() - began)
    return {
        "events_s": round(rate),
        "p50_ms": took[len(took) // 2] * 1e3,
        "p99_ms": took[len(took) * 99 // 100] * 1e3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--singles", type=int, default=20_000)
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--home", type=Path, default=None, help="where the log is; must be on a disk")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.home) as folder:
        root = Path(folder)
        key = (
            Keys(open_control(sqlite_url(root / "control.db")), SystemClock())
            .create("bench", ["sms"], "ingest")
            .token
        )
        one = [request("/v1/sms/events", JSON, key, body) for body in events(0, given.singles)]
        many = [
            request("/v1/sms/events:batch", NDJSON, key, b"\n".join(events(10**9 + n * 500, 500)))
            for n in range(given.batches)
        ]
        rates: dict[str, float] = {}
        for name, home in (("noop", None), ("door", root)):
            listening = socket.create_server(("127.0.0.1", 0), backlog=256)
            server = multiprocessing.get_context("fork").Process(target=serve, args=(listening, home))
            server.start()
            for kind, requests, connections, each in (
                ("single", one, given.connections, 1),
                ("ndjson", many, 4, 500),
            ):
                found = asyncio.run(measure(listening.getsockname()[1], requests, connections, each))
                rates[f"{name}.{kind}"] = found["events_s"]
                sys.stdout.write(
                    f"{name:5}{kind:7} {json.dumps({k: round(v, 2) for k, v in found.items()})}\n"
                )
            server.terminate()
            server.join()
            listening.close()
        for kind in ("single", "ndjson"):
            sys.stdout.write(f"door / noop, {kind}: {rates[f'door.{kind}'] / rates[f'noop.{kind}']:.2f}\n")


if __name__ == "__main__":
    main()
