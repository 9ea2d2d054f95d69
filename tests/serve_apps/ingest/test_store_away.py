"""The object store hangs or is killed: every sender has an answer meanwhile, and it goes on by itself."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from catalog.clock import SystemClock
from catalog.log.objects import ObjectLog
from catalog.log.writer import WriterConfig
from catalog.objects.s3 import S3
from cluster.wiring import ANSWER_S
from serve_apps.ingest.deps import Limits
from tests.bucket import Server
from tests.serve_apps.ingest.doors import JSON, deps, opened, token

PATH = "/v1/sms/events"
SENDERS = 40
CONFIG = WriterConfig(segment_bytes=1 << 20, segment_age_s=60.0, min_free_bytes=0, answer_s=ANSWER_S)


@pytest.fixture
def server(tmp_path: Path, own_ports: None) -> Iterator[Server]:
    """An object store of its own."""
    folder = tmp_path / "store"
    folder.mkdir()
    made = Server(folder)
    made.start()
    yield made
    made.kill()


def log(server: Server) -> ObjectLog:
    return ObjectLog(S3(server.place.within("log")), SystemClock())


async def send(door: httpx.AsyncClient, number: int) -> httpx.Response:
    return await door.post(PATH, content=json.dumps({"id": str(number)}), headers=JSON)


async def until_stored(door: httpx.AsyncClient, number: int) -> None:
    while (await send(door, number)).status_code != 202:
        pass


async def until_ready(door: httpx.AsyncClient) -> None:
    while not (await door.get("/readyz")).is_success:
        await asyncio.sleep(0)


def stored(server: Server) -> list[str]:
    """The ids in the log, however often each is there."""
    here = log(server)
    found = [
        at.envelope
        for segment in here.segments()
        for at in here.read(segment.name, segment.start, segment.end)
    ]
    return sorted(json.loads(each.payload)["id"] for each in found if each is not None)


@pytest.mark.parametrize("away", [signal.SIGSTOP, signal.SIGKILL])
def test_every_sender_is_answered_while_the_store_is_away(
    tmp_path: Path, server: Server, away: signal.Signals
) -> None:
    async def day() -> list[httpx.Response]:
        given = deps(tmp_path, Limits(upkeep_s=0.05), writer=log(server).writer(CONFIG))
        async with opened(given, token(tmp_path)) as door:
            await until_stored(door, 0)
            server.process.send_signal(away)
            if away == signal.SIGKILL:
                server.process.wait()
            # All these come back before the store does; a first one takes the door's whole patience.
            answers = [await send(door, 1)]
            answers += await asyncio.gather(*(send(door, number) for number in range(2, SENDERS)))
            answers.append(await door.get("/readyz"))
            if away == signal.SIGKILL:
                await asyncio.to_thread(server.start)
            else:
                server.process.send_signal(signal.SIGCONT)
            await until_ready(door)  # though nobody sends
            await until_stored(door, SENDERS)
            return answers

    answers = asyncio.run(day())
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "not_durable")}
    assert all(answer.headers["retry-after"] for answer in answers)
    # At most what was under way then is stored although it was refused.
    assert set(stored(server)) - {"0", "1", str(SENDERS)} == set()
