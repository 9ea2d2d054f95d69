"""What a replica does beside requests, and how it ends."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.clock import SystemClock
from catalog.control.keys import KeyCache
from catalog.errors import NotDurable, Unavailable
from catalog.log.local import LocalLog
from serve_apps.ingest.api import create_api
from serve_apps.ingest.deps import Limits
from tests.serve_apps.ingest.doors import JSON, client, deps, opened, token

PATH = "/v1/sms/events"


class Slow:
    """A writer whose groups become durable when told, and that counts its turns."""

    is_healthy = True

    def __init__(self, turns: int = 0, failing: Exception | None = None) -> None:
        self.asked, self.durable, self.turned = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._turns = turns
        self._failing = failing
        self.is_closed = False

    async def append(self, envelopes: object) -> None:
        if self.is_closed:
            raise NotDurable("the writer is closed")
        self.asked.set()
        await self.durable.wait()

    async def probe(self) -> None: ...

    async def roll_if_old(self) -> None:
        self._turns -= 1
        if self._turns <= 0:
            self.turned.set()
        if self._failing:
            raise self._failing

    async def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(
    "failing", [None, NotDurable("a segment could not be sealed"), RuntimeError("nobody thought of it")]
)
def test_the_segments_age_is_looked_at_again_and_again(tmp_path: Path, failing: Exception | None) -> None:
    async def day() -> None:
        writer = Slow(turns=3, failing=failing)
        async with opened(deps(tmp_path, Limits(upkeep_s=0.0), writer=writer)):
            await asyncio.wait_for(writer.turned.wait(), 60)

    asyncio.run(day())


def test_a_closed_door_sealed_its_segment_and_takes_nothing_more(tmp_path: Path) -> None:
    key, given = token(tmp_path), deps(tmp_path)
    app = create_api(given)

    async def day() -> list[httpx.Response]:
        async with client(app, key) as door:
            async with app.router.lifespan_context(app):
                assert (await door.post(PATH, json={"MessageSid": "1"})).status_code == 202
                assert [segment.sealed for segment in segments()] == [False]
            return [await door.post(PATH, json={}), await door.get("/readyz"), await door.get("/healthz")]

    def segments() -> list[Any]:
        return LocalLog(tmp_path / "log", SystemClock()).segments()

    *refused, alive = asyncio.run(day())
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(503, "draining")] * 2
    assert alive.status_code == 200
    assert [segment.sealed for segment in segments()] == [True]


def test_what_reaches_a_closed_writer_is_sent_to_another_replica(tmp_path: Path) -> None:
    key = token(tmp_path)

    async def day() -> httpx.Response:
        writer = Slow()
        app = create_api(deps(tmp_path, writer=writer))
        reading, closed = asyncio.Event(), asyncio.Event()

        async def body() -> Any:
            reading.set()
            yield b"{"
            await closed.wait()
            yield b"}"

        async with client(app, key) as door:
            async with app.router.lifespan_context(app):
                late = asyncio.create_task(door.post(PATH, content=body(), headers=JSON))
                await reading.wait()
            closed.set()
            return await late

    answer = asyncio.run(day())
    assert (answer.status_code, answer.json()["code"]) == (503, "draining")


def test_silent_keys_are_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def day() -> None:
        writer, given = Slow(turns=4), deps(tmp_path, Limits(upkeep_s=0.0))

        def read() -> list[Any]:
            raise Unavailable("the control database does not answer")

        keys = KeyCache(read, given.clock, 0.0)
        async with opened(given._replace(writer=writer, keys=keys)):
            await asyncio.wait_for(writer.turned.wait(), 60)

    with caplog.at_level(logging.WARNING):
        asyncio.run(day())
    assert len([each for each in caplog.records if "keys cannot be read" in each.message]) == 1
