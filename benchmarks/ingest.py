"""The door behind uvicorn beside a no-op behind uvicorn, the client in a process of its own with ready bytes
over kept connections, one request under way on each: `python -m benchmarks.ingest --home FOLDER`."""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import socket
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
from catalog.log.local import LocalLog
from catalog.log.writer import WriterConfig
from serve_apps.ingest.api import create_api
from serve_apps.ingest.deps import Deps, Limits

TEXT = "no network for three days now, I have called your people again and again and nobody answers me "
BATCH = 500


async def nothing(request: Any) -> Response:
    """The no-op: reads the body and answers."""
    await request.body()
    return Response(b"{}", 202, media_type="application/json")


def serve(listening: socket.socket, root: Path | None) -> None:
    """The server's process: the door over a log in `root`, without quotas, or the no-op."""
    app: Any = Router([Route("/{rest:path}", nothing, methods=["POST"])])
    if root is not None:
        clock = SystemClock()
        keys = KeyCache(Keys(open_control(sqlite_url(root / "control.db")), clock).stored, clock, 5.0)
        limits = Limits(source_rate=1e9, source_burst=1e9)
        writer: Any = LocalLog(root / "log", clock).writer(WriterConfig(64 << 20, 60.0, 0))
        unasked: Any = nothing
        app = create_api(Deps(writer, keys, clock, lambda: "b", unasked, lambda: None, limits))
    uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).run(sockets=[listening])


def events(first: int, count: int) -> list[bytes]:
    """Payloads of 370 bytes by the plain contract."""
    shared = {"text": TEXT * 3, "event_time": "2026-11-20T10:00:00+01:00"}
    return [json.dumps({"id": f"event-{n}", **shared}).encode() for n in range(first, first + count)]


def request(path: str, kind: str, key: str, body: bytes) -> bytes:
    """One request as it goes over the wire."""
    head = f"POST {path}?contract=plain/1 HTTP/1.1\r\nHost: door\r\nAuthorization: Bearer {key}\r\n"
    return f"{head}Content-Type: application/{kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def send(port: int, requests: list[bytes]) -> list[float]:
    """One after another over one connection; seconds of each."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    for each in requests:
        began = time.perf_counter()
        writer.write(each)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        body = await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r")[0]))
        assert b" 202 " in head, head
        assert body.count(b'"status":') == body.count(b'"status":202'), body[:300]
        took.append(time.perf_counter() - began)
    writer.close()
    return took


async def measure(
    name: str, port: int, pid: int, requests: list[bytes], connections: int, each: int
) -> float:
    """Print what it took, and return events a second."""
    clock = ~pid << 3 | 2  # Linux: the processor time of a process
    used_s, began = time.clock_gettime(clock), time.perf_counter()
    parts = await asyncio.gather(*(send(port, requests[i::connections]) for i in range(connections)))
    wall_s, took = time.perf_counter() - began, sorted(seconds for part in parts for seconds in part)
    count, p50, p99 = len(requests) * each, took[len(took) // 2], took[len(took) * 99 // 100]
    us = (time.clock_gettime(clock) - used_s) / count * 1e6
    used = f"{us:6.1f} us of processor each, p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms"
    print(f"{name:12} {count / wall_s:9,.0f} events/s, {used}")
    return count / wall_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--singles", type=int, default=20_000, help="and 5 times as many in batches")
    parser.add_argument("--home", type=Path, help="folder on a disk, for the log")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.home) as folder:
        root = Path(folder)
        keys = Keys(open_control(sqlite_url(root / "control.db")), SystemClock())
        key, rates = keys.create("bench", ["sms"], "ingest").token, dict[str, float]()
        bodies = [b"\n".join(events(10**9 + n * BATCH, BATCH)) for n in range(given.singles // 100)]
        one = [request("/v1/sms/events", "json", key, body) for body in events(0, given.singles)]
        many = [request("/v1/sms/events:batch", "x-ndjson", key, body) for body in bodies]
        for name, home in (("noop", None), ("door", root)):
            listening = socket.create_server(("127.0.0.1", 0), backlog=256)
            server = multiprocessing.get_context("fork").Process(target=serve, args=(listening, home))
            server.start()
            for kind, bodies, connections, each in (("single", one, 32, 1), ("batch", many, 4, BATCH)):
                port, pid = listening.getsockname()[1], server.pid or 0
                measured = measure(f"{name} {kind}", port, pid, bodies, connections, each)
                rates[f"{name} {kind}"] = asyncio.run(measured)
            server.terminate()
            server.join()
        single, batch = (rates[f"door {kind}"] / rates[f"noop {kind}"] for kind in ("single", "batch"))
        print(f"door / noop: {single:.2f} single, {batch:.2f} batch")


if __name__ == "__main__":
    main()
