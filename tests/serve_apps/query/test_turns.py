"""One query of a key at a time: what one key asks costs no other, and who leaves gives the place back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from catalog.clock import SystemClock
from catalog.lake.store import local
from serve_apps.addresses import QUERY
from serve_apps.problems import Refused
from serve_apps.query.api import create_api
from serve_apps.query.engine.port import Limits
from serve_apps.query.lookup import Lookup
from serve_apps.query.turns import Turns
from tests.serve_apps.query.engine.engines import duckdb, patience
from tests.serve_apps.query.lakes import small
from tests.serve_apps.query.test_api import ID, deps
from tests.serve_apps.served import served

LIMITS = Limits(seconds=600.0)
SLOW = {"sql": "SELECT count(*) AS n FROM " + ", ".join(f"events AS e{n}" for n in range(9))}
FAST = {"sql": "SELECT count(*) AS n FROM events"}


class Work:
    """What runs for a key, and is let go by hand."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.may: dict[str, asyncio.Event] = {}

    def of(self, name: str) -> Callable[[], Awaitable[str]]:
        async def begin() -> str:
            self.begun.append(name)
            await self.may.setdefault(name, asyncio.Event()).wait()
            return name

        return begin

    def end(self, name: str) -> None:
        self.may.setdefault(name, asyncio.Event()).set()


async def settled() -> None:
    """Until nothing is left to do but wait."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_key_has_one_place_and_waits_in_order() -> None:
    async def day() -> None:
        work, turns = Work(), Turns(wait_s=600, waiting=2)
        first, second, third = (
            asyncio.ensure_future(turns.run("a", work.of(name))) for name in ("a1", "a2", "a3")
        )
        await settled()
        with pytest.raises(Refused) as refused:
            await turns.run("a", work.of("a4"))
        assert refused.value.refusal.code == "key_busy"
        other = asyncio.ensure_future(turns.run("b", work.of("b1")))
        await settled()
        assert work.begun == ["a1", "b1"]
        for name in ("b1", "a1", "a2", "a3"):
            work.end(name)
        assert await asyncio.gather(first, second, third, other) == ["a1", "a2", "a3", "b1"]
        assert work.begun == ["a1", "b1", "a2", "a3"]

    asyncio.run(day())


def test_who_leaves_keeps_the_place_until_the_work_has_ended() -> None:
    async def day() -> None:
        work, turns = Work(), Turns(wait_s=600)
        leaving = asyncio.ensure_future(turns.run("a", work.of("a1")))
        await settled()
        waiting = asyncio.ensure_future(turns.run("a", work.of("a2")))
        gone = asyncio.ensure_future(turns.run("a", work.of("a3")))
        last = asyncio.ensure_future(turns.run("a", work.of("a4")))
        await settled()
        leaving.cancel()
        gone.cancel()
        await settled()
        assert work.begun == ["a1"]
        for name in ("a1", "a2", "a4"):
            work.end(name)
        assert await asyncio.gather(waiting, last) == ["a2", "a4"]
        assert work.begun == ["a1", "a2", "a4"]

    asyncio.run(day())


def test_whose_wait_is_over_is_told_and_is_out_of_the_queue() -> None:
    async def day() -> None:
        work, turns = Work(), Turns(wait_s=0.0)
        first = asyncio.ensure_future(turns.run("a", work.of("a1")))
        await settled()
        with pytest.raises(Refused):
            await turns.run("a", work.of("a2"))
        work.end("a1")
        work.end("a3")
        assert await first == "a1"
        assert await turns.run("a", work.of("a3")) == "a3"

    asyncio.run(day())


def test_six_slow_queries_of_one_key_harm_nobody_else(tmp_path: Path) -> None:
    small(local(tmp_path)).close()
    engine, apart = duckdb(local(tmp_path), processes=2), duckdb(local(tmp_path))
    app = create_api(deps(engine), Turns(wait_s=0.01))

    async def ask(caller: httpx.AsyncClient, key: str, body: dict[str, str]) -> httpx.Response:
        return await caller.post(f"{QUERY}/sql", json=body, headers={"Authorization": f"Bearer {key}"})

    async def day(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=600, trust_env=False) as caller:
            slow = {asyncio.ensure_future(ask(caller, "key-a", SLOW)) for _ in range(6)}
            refused = 0
            while refused < 5:
                done, slow = await asyncio.wait(slow, return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    answer = each.result()
                    assert (answer.status_code, answer.json()["code"]) == (429, "key_busy")
                    assert int(answer.headers["retry-after"]) > 0
                    refused += 1
            assert (await ask(caller, "key-b", FAST)).json()["rows"] == [{"n": 20}]
            found = await Lookup(apart).find(ID(10))
            assert found is not None
            (running,) = slow
            assert not running.done()
            running.cancel()  # the caller hangs up, and its place is the key's again
            while (answer := await ask(caller, "key-a", FAST)).status_code == 429:
                continue
            assert answer.json()["rows"] == [{"n": 20}]

    with patience(), served(app) as url:
        asyncio.run(day(url))
    engine.close()
    apart.close()


def test_a_caller_that_leaves_gives_the_process_back(tmp_path: Path) -> None:
    small(local(tmp_path)).close()
    engine = duckdb(local(tmp_path))
    looked: list[float] = []

    def gone() -> bool:
        looked.append(SystemClock().elapsed_s())
        return len(looked) > 2

    with patience():
        with pytest.raises(Exception, match="the caller has gone away"):
            engine.query(SLOW["sql"], (), "analyst", LIMITS, gone)
        assert engine.query(FAST["sql"], (), "analyst", LIMITS).table.to_pylist() == [{"n": 20}]
    engine.close()
