"""A bad network in front of an object store: answers are lost, requests are refused, late, or asked twice."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

FATES = ("refuse", "lose", "repeat", "echo", "delay")
"""Closed before the server sees it; carried out but never answered; carried out twice, answered as the second
time; carried out again a while after it was answered; carried out late."""
LATE_S = 0.05
_END = b"\r\n\r\n"


class Proxy(NamedTuple):
    """Where it listens, and what it did how often."""

    port: int
    did: Counter[str]


@contextmanager
def between(upstream_port: int, ratio: float, seed: int) -> Iterator[Proxy]:
    """A proxy on this machine, in a thread of its own, that does each of FATES to this ratio of requests."""
    loop, did = asyncio.new_event_loop(), Counter[str]()
    carrier = _Carrier(upstream_port, ratio, random.Random(seed), did)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(
        asyncio.start_server(carrier.serve, "127.0.0.1", 0), loop
    ).result()
    try:
        yield Proxy(server.sockets[0].getsockname()[1], did)
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class _Carrier:
    def __init__(self, port: int, ratio: float, rng: random.Random, did: Counter[str]) -> None:
        self._port = port
        self._ratio = ratio
        self._rng = rng
        self._did = did
        self._echoes: set[asyncio.Task[bytes]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of a client's connection, which is then closed."""
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                request = await _request(reader, writer)
                writer.write(await self._answer(request))
                await writer.drain()
        finally:
            writer.close()

    async def _answer(self, request: bytes) -> bytes:
        fate = self._fate()
        self._did[fate] += 1
        if fate == "refuse":
            return b""
        if fate == "delay":
            await asyncio.sleep(LATE_S)
        answer = await self._forward(request)
        if fate == "lose":
            return b""
        if fate == "repeat":
            return await self._forward(request)
        if fate == "echo":
            self._echo(request)
        return answer

    def _fate(self) -> str:
        drawn = self._rng.random() / self._ratio if self._ratio else len(FATES)
        return FATES[int(drawn)] if drawn < len(FATES) else "pass"

    def _echo(self, request: bytes) -> None:
        async def later() -> bytes:
            await asyncio.sleep(LATE_S)
            return await self._forward(request)

        task = asyncio.create_task(later())
        self._echoes.add(task)
        task.add_done_callback(self._echoes.discard)

    async def _forward(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(request)
            await writer.drain()
            return await reader.read(-1)
        finally:
            writer.close()


async def _request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """One whole request, which asks the server to close the connection behind its answer. A client that waits
    to be told to send its body is told."""
    head = await reader.readuntil(_END)
    lines = head.removesuffix(_END).split(b"\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
    if b"expect" in fields:
        writer.write(b"HTTP/1.1 100 Continue" + _END)
        await writer.drain()
    if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
    kept = [line for line in lines if not line.lower().startswith((b"connection:", b"expect:"))]
    return b"\r\n".join([*kept, b"connection: close"]) + _END + body


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """A body in chunks as it came, with what follows the last one."""
    found = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        found += line
        size = int(line.partition(b";")[0], 16)
        if not size:
            break
        found += await reader.readexactly(size + 2)
    while line != b"\r\n":
        line = await reader.readuntil(b"\r\n")
        found += line
    return found
