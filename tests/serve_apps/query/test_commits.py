"""Commits as server-sent events: each once, in order, with the numbers that SQL gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from catalog.errors import Unavailable
from catalog.lake.commit import Lake
from catalog.lake.store import LakePlace, local
from catalog.tables import EVENTS, LEDGER
from serve_apps.addresses import QUERY
from serve_apps.query import api
from serve_apps.query.api import create_api
from serve_apps.query.engine.port import Limits
from serve_apps.query.feed import CommitFeed
from serve_apps.query.streams import AWAY, BACK, HEARTBEAT, RETRY, EventStream, commit_events
from tests.serve_apps.query.engine.engines import GROUNDS, Ground
from tests.serve_apps.query.lakes import NOON, commit, event
from tests.serve_apps.query.test_api import Canned, deps
from tests.serve_apps.served import served

NUMBERS = ("received", "accepted", "duplicate", "quarantined", "redelivered")
SUM = f"SELECT channel, {', '.join(NUMBERS)} FROM ledger WHERE plan = ?"
PATH = f"{QUERY}/commits/events"
KEY = {"Authorization": "Bearer key-a"}
LIMITS = Limits(seconds=110.0)


class Told(NamedTuple):
    """One event of a stream."""

    id: int
    data: dict[str, Any]


@pytest.fixture(params=GROUNDS)
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    """A lake of the test's own."""
    with GROUNDS[request.param](request, tmp_path) as made:
        yield made


def put(lake: Lake, n: int, channels: tuple[str, ...] = ("sms", "social")) -> None:
    """Plan n: an event and its row of the ledger, for each channel."""
    commit(lake, EVENTS, [event(10 * n + i, n, channel=name) for i, name in enumerate(channels)])
    rows = [
        {"plan": n, "channel": name, "processed_at": NOON}
        | dict(zip(NUMBERS, (n + 3, n, 1, 1, 1), strict=True))
        for name in channels
    ]
    commit(lake, LEDGER, rows)


async def events(answer: httpx.Response) -> AsyncIterator[Told]:
    """Those of a stream; comments are left out."""
    number = 0
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "id":
            number = int(value)
        elif name == "data":
            yield Told(number, msgspec.json.decode(value))


@asynccontextmanager
async def subscribed(url: str, after: str = "") -> AsyncIterator[AsyncIterator[Told]]:
    """The events of one subscriber."""
    headers = KEY | ({"Last-Event-ID": after} if after else {})
    async with (
        httpx.AsyncClient(base_url=url, timeout=600, trust_env=False) as caller,
        caller.stream("GET", PATH, headers=headers) as answer,
        aclosing(events(answer)) as found,  # type: ignore[type-var]
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield found


async def take(found: AsyncIterator[Told], count: int) -> list[Told]:
    return [await anext(found) for _ in range(count)]


def test_each_commit_comes_once_in_order_with_the_numbers_of_sql(ground: Ground) -> None:
    with ground.turn():
        lake, engine = Lake(ground.place), ground.open()
        for n in (1, 2):
            put(lake, n)
        app = create_api(deps(engine, lake=lambda: Lake(ground.place)))

        async def day(url: str) -> tuple[list[Told], list[Told]]:
            async with subscribed(url) as new, subscribed(url, "1") as old:
                for n in (3, 4, 5):
                    put(lake, n, ("sms",) if n == 4 else ("sms", "social"))
                return await take(new, 3), await take(old, 4)

        with served(app) as url:
            new, old = asyncio.run(day(url))
            assert [each.id for each in new] == [each.data["commit_seq"] for each in new] == [3, 4, 5]
            assert old[1:] == new
            assert (old[0].id, old[0].data["committed_at"][:2]) == (2, "20")
            for each in old:
                rows = engine.query(SUM, [each.id], "analyst", LIMITS).table.to_pylist()
                assert each.data["counts"] == {row.pop("channel"): row for row in rows}
        engine.close()
        lake.close()


def test_a_position_that_is_none_is_refused(tmp_path: Path) -> None:
    lake = Lake(local(tmp_path))
    put(lake, 1)
    app = create_api(deps(Canned(Unavailable("never asked")), lake=lambda: Lake(local(tmp_path))))

    async def day(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=600, headers=KEY, trust_env=False) as caller:
            for wrong in ("2", "x", "-1", "1.0", "9" * 30):
                answer = await caller.get(PATH, headers={"Last-Event-ID": wrong})
                assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
        async with subscribed(url, "0") as found:
            assert [each.id for each in await take(found, 1)] == [1]

    with served(app) as url:
        asyncio.run(day(url))
    lake.close()


def test_one_subscriber_too_many_is_told_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MOST_STREAMS", 1)
    lake = Lake(local(tmp_path))
    app = create_api(deps(Canned(Unavailable("never asked")), lake=lambda: Lake(local(tmp_path))))

    async def day(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=600, headers=KEY, trust_env=False) as caller:
            async with subscribed(url) as found:
                put(lake, 1)
                await take(found, 1)
                answer = await caller.get(PATH)
                assert (answer.status_code, answer.json()["code"]) == (429, "too_many_streams")
                assert "retry-after" in answer.headers
            while app.state.feed.subscribers:
                await asyncio.sleep(0)
            async with subscribed(url, "0") as found:
                await take(found, 1)

    with served(app) as url:
        asyncio.run(day(url))
    lake.close()


class Watched(CommitFeed):
    """Notes every piece that is read of the lake, and fails while told to."""

    def __init__(self, place: LakePlace, **given: Any) -> None:
        super().__init__(lambda: Lake(place), **{"look_s": 0.0, **given})
        self.pieces: list[tuple[int, int]] = []
        self.is_broken = False

    async def _read(self, read: Any) -> Any:
        if self.is_broken:
            raise Unavailable("the lake does not answer")
        if hasattr(read, "keywords"):
            self.pieces.append((read.keywords["after"], read.keywords["upto"]))
        return await super()._read(read)


async def always() -> bool:
    return True


def stream(
    feed: CommitFeed,
    last: int,
    after: int,
    is_valid: Callable[[], Awaitable[bool]] = always,
    beat_s: float = 600.0,
) -> Any:
    return aclosing(commit_events(feed, last, after, is_valid, beat_s))  # type: ignore[type-var]


async def ids(pieces: AsyncIterator[bytes], count: int) -> list[int]:
    """Of so many events, comments left out."""
    found: list[int] = []
    while len(found) < count:
        if (piece := await anext(pieces)).startswith(b"id: "):
            found.append(int(piece[4:].partition(b"\n")[0]))
            assert found[-1] == found[0] + len(found) - 1
    return found


def on_a_lake(tmp_path: Path, day: Callable[[Lake, Watched], Awaitable[None]], **given: Any) -> None:
    lake, feed = Lake(local(tmp_path)), Watched(local(tmp_path), **given)
    asyncio.run(day(lake, feed))  # type: ignore[arg-type]
    feed.close()
    lake.close()


def test_one_look_serves_all_subscribers(tmp_path: Path) -> None:
    async def day(lake: Lake, feed: Watched) -> None:
        async with stream(feed, 0, 0) as a, stream(feed, 0, 0) as b, stream(feed, 0, 0) as c:
            asking = [asyncio.ensure_future(ids(each, 3)) for each in (a, b, c)]
            for n in (1, 2, 3):
                await asyncio.to_thread(put, lake, n)
            assert await asyncio.gather(*asking) == [[1, 2, 3]] * 3
        assert len(feed.pieces) <= 3
        assert feed.subscribers == 0

    on_a_lake(tmp_path, day)


def test_what_was_missed_is_read_a_piece_at_a_time(tmp_path: Path) -> None:
    async def day(lake: Lake, feed: Watched) -> None:
        for n in range(1, 8):
            put(lake, n)
        async with stream(feed, 7, 0) as old, stream(feed, 7, 7) as new:
            assert await ids(old, 7) == list(range(1, 8))
            assert feed.pieces == [(0, 2), (2, 4), (4, 6), (6, 7)]
            for n in range(8, 13):  # more than one look takes
                put(lake, n)
            assert await ids(new, 5) == await ids(old, 5) == list(range(8, 13))
        put(lake, 13)
        async with stream(feed, 13, 12) as later:  # nobody looked meanwhile
            assert await ids(later, 1) == [13]

    on_a_lake(tmp_path, day, piece=2, kept=3)


def test_a_commit_without_counts_is_an_event_too(tmp_path: Path) -> None:
    async def day(lake: Lake, feed: Watched) -> None:
        for n, channels in ((1, ("sms",)), (2, ()), (3, ("sms",))):
            put(lake, n, channels)
        async with stream(feed, 3, 0) as found:
            pieces = [await anext(found) for _ in range(4)]
        assert pieces[0] == RETRY
        assert msgspec.json.decode(pieces[2].partition(b"data: ")[2])["counts"] == {}

    on_a_lake(tmp_path, day)


def test_a_lake_that_is_away_is_told_and_costs_no_commit(tmp_path: Path) -> None:
    async def day(lake: Lake, feed: Watched) -> None:
        async with stream(feed, 0, 0) as found:
            put(lake, 1)
            assert await ids(found, 1) == [1]
            feed.is_broken = True
            assert await anext(found) == AWAY
            put(lake, 2)
            feed.is_broken = False
            said = [await anext(found), await anext(found)]
            assert BACK in said
            assert any(each.startswith(b"id: 2\n") for each in said)

    on_a_lake(tmp_path, day)


def test_a_lake_that_is_away_at_first_is_a_refusal() -> None:
    async def day(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, headers=KEY, timeout=600, trust_env=False) as caller:
            answer = await caller.get(PATH)
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")

    with served(create_api(deps(Canned(Unavailable("never asked"))))) as url:
        asyncio.run(day(url))


def test_a_replica_that_is_to_end_lets_its_subscribers_go(tmp_path: Path) -> None:
    ending: list[bool] = []

    async def day(lake: Lake, feed: Watched) -> None:
        async with stream(feed, 0, 0) as found:
            put(lake, 1)
            assert await ids(found, 1) == [1]
            ending.append(True)
            assert [piece async for piece in found] == []

    on_a_lake(tmp_path, day, is_ending=lambda: bool(ending))


def test_between_commits_there_are_heartbeats_until_the_key_ends(tmp_path: Path) -> None:
    looks = iter([True, True, False])

    async def is_valid() -> bool:
        return next(looks)

    async def day(_: Lake, feed: Watched) -> None:
        async with stream(feed, 0, 0, is_valid, 0.01) as found:
            assert [piece async for piece in found] == [RETRY, HEARTBEAT, HEARTBEAT]

    on_a_lake(tmp_path, day, look_s=600.0)


def test_who_does_not_read_is_dropped(tmp_path: Path) -> None:
    async def day(_: Lake, feed: Watched) -> None:
        async def never() -> Any:
            await asyncio.Event().wait()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                await never()

        request = api.Request({"type": "http"}, never)
        pieces = commit_events(feed, 0, 0, always, 600.0)
        await EventStream(request, pieces, send_s=0.01)({}, never, send)
        assert feed.subscribers == 0

    on_a_lake(tmp_path, day)
