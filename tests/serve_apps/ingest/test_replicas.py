"""Two replicas over one home, restarted at will: one row an event, one receipt, nothing lost."""

import asyncio
import json
import random
from contextlib import AsyncExitStack
from pathlib import Path

import httpx

from catalog.control.keys import Keys
from catalog.control.schema import open_control, sqlite_url
from catalog.lake import read
from catalog.tables import EVENTS
from cluster.checks import ledger_home, verify_home
from cluster.wiring import open_stores
from serve_apps.ingest.deps import Limits
from tests.homes import line, run, small
from tests.serve_apps.ingest.doors import JSON, NDJSON, deps, opened, token

PATH = "/v1/sms/events?contract=plain/1"
EVENTS_SENT = 40


def event(number: int) -> bytes:
    return json.dumps(json.loads(line(number))["payload"]).encode()


def test_the_same_events_to_both_with_restarts_between_are_one_row_each(tmp_path: Path) -> None:
    settings, key = small(tmp_path), token(tmp_path, "gateway", ("sms",))
    rng = random.Random(11)
    receipts: dict[int, set[bytes]] = {number: set() for number in range(EVENTS_SENT)}

    async def turn(numbers: list[int]) -> None:
        async with AsyncExitStack() as stack:
            doors = [await stack.enter_async_context(opened(deps(tmp_path), key)) for _ in range(2)]
            both = [(number, door) for number in numbers for door in doors]
            answers = await asyncio.gather(
                *(door.post(PATH, content=event(number), headers=JSON) for number, door in both)
            )
            for (number, _), answer in zip(both, answers, strict=True):
                assert answer.status_code == 202
                receipts[number].add(answer.content)
            shuffled = rng.sample(numbers, len(numbers))
            body = b"\r\n".join(event(number) for number in shuffled)
            batch = await doors[0].post(PATH.replace("events", "events:batch"), content=body, headers=NDJSON)
            for number, result in zip(shuffled, batch.json()["results"], strict=True):
                assert result.pop("status") == 202
                assert {json.dumps(result, separators=(",", ":")).encode()} == receipts[number]

    async def day() -> None:
        for begin in (0, 0, 10, 20):
            await turn(rng.sample(range(begin, begin + 20), 20))

    asyncio.run(day())
    assert all(len(bodies) == 1 for bodies in receipts.values())
    run(settings)
    stores = open_stores(settings)
    rows = read.rows(stores.lake(), EVENTS.name, 1, 10_000).to_pylist()
    assert sorted(row["event_id"] for row in rows) == sorted(
        json.loads(body)["event_id"] for bodies in receipts.values() for body in bodies
    )
    assert {(row["source"], row["disposition"]) for row in rows} == {("gateway", "accepted")}
    assert verify_home(stores).ok
    assert ledger_home(stores).total["redelivered"] == 4 * 20 * 3 - EVENTS_SENT


def test_a_key_is_rotated_while_events_come_in(tmp_path: Path) -> None:
    given = deps(tmp_path, Limits(upkeep_s=0.0))
    keys = Keys(open_control(sqlite_url(tmp_path / "control.db")), given.clock)
    old = keys.create("gateway", ["sms"], "ingest")

    async def send(door: httpx.AsyncClient, number: int, key: str) -> int:
        headers = {**JSON, "Authorization": f"Bearer {key}"}
        return (await door.post(PATH, content=event(number), headers=headers)).status_code

    async def day() -> None:
        async with opened(given) as door:
            new = keys.rotate(old.key_id, grace_s=3600.0)
            while await send(door, 0, new.token) == 401:
                assert await send(door, 1, old.token) == 202
            assert [await send(door, 2, key) for key in (old.token, new.token)] == [202, 202]
            keys.revoke(old.key_id)
            while await send(door, 3, old.token) == 202:
                assert await send(door, 4, new.token) == 202
            assert [await send(door, 5, key) for key in (old.token, new.token)] == [401, 202]

    asyncio.run(asyncio.wait_for(day(), 60))
