"""Two replicas over one home, restarted at will: one row an event, one receipt, nothing lost."""

import asyncio
import http.client
import json
import random
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

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
from tests.serve_apps.ingest.replica import ARRIVED, GIVE_UP_S

REPOSITORY = Path(__file__).parents[3]
PATH = "/v1/sms/events?contract=plain/1"
WITHIN_NS = 5_000_000
ENDS = (signal.SIGTERM, signal.SIGKILL) * 3
"""How a replica ends, in order, before it starts again."""
PAIRS, TRIES = 10, 1_000
"""Of each life: pairs within 5 ms, and how many are tried for them. One that was slower is no trial."""
ENOUGH = 50


def event(number: int) -> bytes:
    return json.dumps(json.loads(line(number))["payload"]).encode()


class Answer(NamedTuple):
    """What a replica answered; when the request was sent and arrived, in ns of the clock that all share."""

    status: int
    body: bytes
    sent_ns: int
    arrived_ns: int


class Replica:
    """A door as a process of its own. Its socket outlives it: who connects meanwhile waits for the next."""

    def __init__(self, home: Path, key: str) -> None:
        self._home, self._key = home, {"Authorization": f"Bearer {key}"}
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._client = http.client.HTTPConnection(*self._listening.getsockname(), timeout=GIVE_UP_S)
        self.start()

    def start(self) -> None:
        descriptor = self._listening.fileno()
        command = [sys.executable, "-m", "tests.serve_apps.ingest.replica", str(self._home), str(descriptor)]
        self._process = subprocess.Popen(command, pass_fds=[descriptor], cwd=REPOSITORY)
        self._client.connect()

    def end(self, how: signal.Signals) -> None:
        self._client.close()
        self._process.send_signal(how)
        self._process.wait()

    def close(self) -> None:
        if self._process.returncode is None:
            self.end(signal.SIGKILL)
        self._listening.close()

    def send(self, path: str, body: bytes, headers: dict[str, str]) -> int:
        """Send a request and wait for nothing; when it was sent."""
        self._client.request("POST", path, body, {**headers, **self._key})
        return time.monotonic_ns()

    def answer(self, sent_ns: int) -> Answer:
        """The answer to the request sent last."""
        found = self._client.getresponse()
        return Answer(found.status, found.read(), sent_ns, int(found.headers[ARRIVED]))


class Deliveries:
    """Events sent to both replicas: their receipts, and how many deliveries there were."""

    def __init__(self, replicas: Sequence[Replica], rng: random.Random) -> None:
        self._replicas, self._rng = replicas, rng
        self.receipts: defaultdict[int, set[bytes]] = defaultdict(set)
        self.delivered = 0

    def pair(self, number: int) -> bool:
        """One event to both, neither waiting for the other; whether it was sent and arrived within 5 ms."""
        both = self._rng.sample(self._replicas, 2)
        sent_ns = [replica.send(PATH, event(number), JSON) for replica in both]
        answers = [replica.answer(at_ns) for replica, at_ns in zip(both, sent_ns, strict=True)]
        assert [answer.status for answer in answers] == [202, 202]
        self.receipts[number] |= {answer.body for answer in answers}
        self.delivered += 2
        sent, arrived = sent_ns, [answer.arrived_ns for answer in answers]
        return max(sent) - min(sent) <= WITHIN_NS and max(arrived) - min(arrived) <= WITHIN_NS

    def first_pairs(self) -> int:
        """Events nobody has seen, until enough of them came to both within 5 ms; how many did."""
        at_once = tried = 0
        while at_once < PAIRS and tried < TRIES:
            at_once += self.pair(len(self.receipts))
            tried += 1
        return at_once

    def all_again(self) -> None:
        """Every event so far to both, and once more in a batch to one of them."""
        for number in self._shuffled():
            self.pair(number)
        numbers, replica = self._shuffled(), self._rng.choice(self._replicas)
        body = b"\r\n".join(map(event, numbers))
        answer = replica.answer(replica.send(PATH.replace("events", "events:batch"), body, NDJSON))
        for number, result in zip(numbers, json.loads(answer.body)["results"], strict=True):
            assert result.pop("status") == 202
            self.receipts[number].add(json.dumps(result, separators=(",", ":")).encode())
        self.delivered += len(numbers)

    def _shuffled(self) -> list[int]:
        return self._rng.sample(sorted(self.receipts), len(self.receipts))


def test_the_same_events_to_both_at_once_with_restarts_between_are_one_row_each(tmp_path: Path) -> None:
    settings, key = small(tmp_path), token(tmp_path, "gateway", ("sms",))
    rng, at_once = random.Random(11), 0
    with ExitStack() as stack:
        replicas = [stack.enter_context(closing(Replica(tmp_path, key))) for _ in range(2)]
        sent = Deliveries(replicas, rng)
        for how, which in zip(ENDS, rng.sample([0, 1] * (len(ENDS) // 2), len(ENDS)), strict=True):
            at_once += sent.first_pairs()
            sent.all_again()
            replicas[which].end(how)
            replicas[which].start()
        sent.all_again()
        for replica in replicas:
            replica.end(signal.SIGTERM)
    assert at_once >= ENOUGH
    assert all(len(bodies) == 1 for bodies in sent.receipts.values())
    run(settings)
    stores = open_stores(settings)
    rows = read.rows(stores.lake(), EVENTS.name, 1, 10_000).to_pylist()
    assert sorted(row["event_id"] for row in rows) == sorted(
        json.loads(body)["event_id"] for bodies in sent.receipts.values() for body in bodies
    )
    assert {(row["source"], row["disposition"]) for row in rows} == {("gateway", "accepted")}
    assert verify_home(stores).ok
    assert ledger_home(stores).total["redelivered"] == sent.delivered - len(sent.receipts)


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
