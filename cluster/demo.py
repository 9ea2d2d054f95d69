"""A day of complaints through the doors: sent, watched until it is decided, then asked about."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from catalog.contracts.registry import CHANNELS
from catalog.errors import TooSlow, Unavailable
from cluster.settings import Settings
from cluster.wiring import open_keys
from pipelines import mapping
from pipelines.simulator.day import day
from pipelines.simulator.sent import Truth
from serve_apps.ingest.framing import JSON, NDJSON

BATCH = 500
AT_ONCE = 4
LOOK_S = 0.5
WAIT_S = 300.0
KEYS_S = 30.0
CURATE_S = "5"
"""Nobody wants to wait a minute for the first answers."""
COME_BACK = (401, 429, 503)
"""A new key is not known to every replica at once, and the others say it themselves."""
PLAIN = "plain/1"

OUTCOMES = ("received", "accepted", "duplicate", "quarantined", "redelivered")
SUMS = ", ".join(f"sum({name}) AS {name}" for name in OUTCOMES)
QUESTIONS = {
    "Complaints by category":
        "SELECT CASE WHEN l2 = 'unclassified' THEN '(no category recognised)' ELSE l1 END AS l1, l2,"
        " count(*) AS complaints, count(DISTINCT cluster_id) AS clusters FROM complaints"
        " WHERE is_complaint GROUP BY l1, l2 ORDER BY l2 = 'unclassified', complaints DESC, l2",
    "Complaints by region":
        "SELECT CASE WHEN region IS NULL THEN '(no region named)' WHEN place <= 11 THEN region"
        " ELSE '(all other regions)' END AS region, sum(complaints) AS complaints"
        " FROM (SELECT region, count(*) AS complaints,"
        " row_number() OVER (ORDER BY region IS NULL, count(*) DESC, region) AS place"
        " FROM complaints WHERE is_complaint GROUP BY region) AS regions GROUP BY 1 ORDER BY min(place)",
    "The complaints that most people share, in texts nearly alike":
        "SELECT members, customers, l2, region, substr(representative_text, 1, 70) AS text FROM clusters"
        " ORDER BY members DESC, cluster_id LIMIT 8",
    "Quarantined by reason":
        "SELECT reason, count(*) AS events FROM quarantine GROUP BY reason ORDER BY events DESC",
    "The ledger": f"SELECT channel, {SUMS} FROM ledger GROUP BY channel ORDER BY channel",
}  # fmt: skip
"""What an executive would ask, and the SQL that answers."""
TOTALS = f"SELECT {SUMS} FROM ledger"
COUNT_COMPLAINTS = "SELECT count(*) AS complaints FROM complaints"


class Ledger(NamedTuple):
    """What became of everything received, up to a commit."""

    as_of_seq: int
    received: int
    accepted: int
    duplicate: int
    quarantined: int
    redelivered: int


class Post(NamedTuple):
    """One payload to send; under another contract than the channel's when it names one."""

    channel: str
    source: str
    payload: bytes
    content_type: str
    contract: str = ""
    truth: Truth | None = None
    """What the simulator meant by it; it is not sent."""


class Doors:
    """A client of one home's doors, with keys of its own that end with it."""

    def __init__(self, address: str, tokens: dict[str, str]) -> None:
        self._tokens = tokens
        self._client = httpx.Client(base_url=address, timeout=60.0, trust_env=False)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def is_known(self) -> bool:
        """Whether the doors take every key."""
        nobody = "/v1/events/" + "0" * 32
        return all(
            self._request(
                "GET", nobody if source else "/query/v1/dictionary", headers=self._key(source)
            ).is_success
            for source in self._tokens
        )

    def send(self, first: Post, path: str, body: bytes, content_type: str) -> dict[str, Any]:
        """POST as its first post says; the answer's JSON. Tries again while told to come back."""
        headers = self._key(first.source) | {"Content-Type": content_type}
        under = {"contract": first.contract} if first.contract else {}
        answer = self._post(f"/v1/{first.channel}/{path}", content=body, headers=headers, params=under)
        if answer.status_code not in (202, 409):  # an id used again for other bytes is part of a day
            raise Unavailable("the door refused", hint=answer.text[:300], status=answer.status_code)
        found: dict[str, Any] = answer.json()
        return found

    def ask(self, sql: str) -> dict[str, Any]:
        """The answer to one query, as an analyst gets it. Tries again while told to come back."""
        answer = self._post("/query/v1/sql", json={"sql": sql}, headers=self._key(""))
        if answer.status_code != 200:
            raise Unavailable("the query side refused", hint=answer.text[:300], status=answer.status_code)
        found: dict[str, Any] = answer.json()
        return found

    def _key(self, source: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tokens[source]}"}

    def _post(self, path: str, **given: Any) -> httpx.Response:
        """The answer, once it is not to come back."""
        for _ in range(50):
            answer = self._request("POST", path, **given)
            if answer.status_code not in COME_BACK and not _is_too_slow(answer):
                break
            time.sleep(float(answer.headers.get("Retry-After", "1")))
        return answer

    def _request(self, method: str, path: str, **given: Any) -> httpx.Response:
        try:
            return self._client.request(method, path, **given)
        except httpx.HTTPError as error:
            kind = type(error).__name__
            raise Unavailable("the doors do not answer", hint="their log says why", kind=kind) from None


def _is_too_slow(answer: httpx.Response) -> bool:
    """Whether a question was given up, which a demo's small ones are on a busy machine only."""
    return answer.status_code == 400 and bool(answer.json()["code"] == TooSlow.code)


@contextmanager
def doors(settings: Settings, address: str, sources: Iterable[str]) -> Iterator[Doors]:
    """Keys for these sources and for one analyst, revoked in the end; the token of "" asks."""
    keys = open_keys(settings)
    minted = {source: keys.create(source, CHANNELS, "ingest") for source in sources}
    minted[""] = keys.create("demo", (), "analyst")
    client = Doors(address, {source: each.token for source, each in minted.items()})
    try:
        _await_keys(client)
        yield client
    finally:
        client.close()
        for each in minted.values():
            keys.revoke(each.key_id)


def _await_keys(client: Doors) -> None:
    """The doors read new keys every few seconds."""
    until_s = time.monotonic() + KEYS_S
    while not client.is_known() and time.monotonic() < until_s:
        time.sleep(LOOK_S)


def groups(day: Iterable[Post]) -> Iterator[list[Post]]:
    """Batches of one source's JSON objects, in their order; what no batch can hold goes alone."""
    waiting: dict[tuple[str, str], list[Post]] = {}
    for one in day:
        if not _fits_batch(one):
            yield [one]
            continue
        group = waiting.setdefault((one.channel, one.source), [])
        group.append(one)
        if len(group) == BATCH:
            yield waiting.pop((one.channel, one.source))
    yield from waiting.values()


def _fits_batch(one: Post) -> bool:
    if one.content_type != JSON or b"\n" in one.payload:
        return False
    try:
        return isinstance(json.loads(one.payload), dict)
    except ValueError:
        return False


class Streamed(NamedTuple):
    """How many were sent and how, and the payloads that a door refused."""

    counted: Counter[str]
    refused: set[bytes]


def stream(client: Doors, day: Iterable[Post], told: Callable[[int, int], None]) -> Streamed:
    """Send a day, several requests at once; `told` hears (sent, acknowledged) after each."""
    counted, refused = Counter[str](), set[bytes]()

    def send(group: list[Post]) -> list[bool]:
        """Whether each of them was acknowledged."""
        first = group[0]
        if not _fits_batch(first):
            receipt = client.send(first, "events", first.payload, first.content_type)
            return ["event_id" in receipt]
        body = b"\n".join(one.payload for one in group)
        answer = client.send(first, "events:batch", body, NDJSON)
        return [result["status"] == 202 for result in answer["results"]]

    pool = ThreadPoolExecutor(AT_ONCE)
    waiting = list(groups(day))
    try:
        for group, acknowledged in zip(waiting, pool.map(send, waiting), strict=True):
            counted["batched" if len(group) > 1 else "single"] += len(group)
            counted["sent"] += len(group)
            counted["acknowledged"] += sum(acknowledged)
            refused.update(one.payload for one, ok in zip(group, acknowledged, strict=True) if not ok)
            told(counted["sent"], counted["acknowledged"])
    finally:  # who is interrupted does not send the rest of the day first
        pool.shutdown(cancel_futures=True)
    return Streamed(counted, refused)


def watch(client: Doors, before: Ledger, expected: int, told: Callable[[Ledger], None]) -> Ledger:
    """Until everything acknowledged is in the ledger and in the curated table; `told` hears how far it is."""
    until_s, last = time.monotonic() + WAIT_S, before
    while time.monotonic() < until_s:
        found = ledger(client)
        told(found)
        if found != last:  # as long as it goes on there is reason to wait
            until_s, last = time.monotonic() + WAIT_S, found
        is_decided = found.received - before.received >= expected
        if is_decided and client.ask(COUNT_COMPLAINTS)["as_of_seq"] >= found.as_of_seq:
            return found
        time.sleep(LOOK_S)
    raise Unavailable("the day is not decided yet", hint="`beejan status` says what it waits for")


def ledger(client: Doors) -> Ledger:
    """The totals of the ledger so far."""
    answer = client.ask(TOTALS)
    (row,) = answer["rows"]
    return Ledger(answer["as_of_seq"], *(int(row[name] or 0) for name in Ledger._fields[1:]))


def since(before: Ledger, now: Ledger) -> Ledger:
    """What came in between."""
    return Ledger(now.as_of_seq, *(new - old for old, new in zip(before[1:], now[1:], strict=True)))


def simulated(seed: int, events: int, on: date) -> Iterator[Post]:
    """A simulated day at the operator."""
    for one in day(seed, events, on):
        yield Post(one.channel, one.source, one.payload, one.content_type, truth=one.truth)


def posts(file: Path, meaning: Path) -> tuple[list[Post], list[mapping.Record]]:
    """What a file's records are sent as, and all of them, with the faults of those that cannot be sent."""
    means = mapping.load(meaning)
    found = list(mapping.records(file, means))
    sent = [Post(means.channel, means.source, one.payload, JSON, PLAIN) for one in found if one.payload]
    return sent, found
