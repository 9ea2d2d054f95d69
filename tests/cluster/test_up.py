"""The whole house as a stranger uses it: up, keys, the README's own examples, down, and up again.

It starts twice for all tests together, on a home, a port and processes of its own.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from catalog.control.keys import Role
from cluster import up
from cluster.checks import ledger_home, redecide_home, verify_home
from cluster.settings import read
from cluster.stack.stack import free_ports
from cluster.wiring import open_keys, open_stores
from tests.readme import README

pytestmark = pytest.mark.slow

ROOT = README.parent
BEEJAN = str(Path(sys.executable).parent / "beejan")
PENDING_S = 300.0
COPIES = 8
BATCH = [f'{{"id": "b-{n}", "text": "number {n}", "event_time": "2025-11-21T09:00:00Z"}}' for n in range(20)]
EVENTS = 1 + 2 + 1 + 1 + len(BATCH)
"""Of the README one, two in a batch and one from Python; of this test one, and a batch."""
# Ten thousand rows of more than 800 bytes, also as JSON: more than fits between two replicas.
LARGE = (
    "SELECT "
    + ", ".join(f"a.bundle AS b{n}" for n in range(24))
    + (" FROM events AS a CROSS JOIN events AS b CROSS JOIN events AS c")
)
COUNT = "SELECT count(*) AS events, count(DISTINCT event_id) AS ids FROM events"


class House:
    """A home and the commands on it."""

    def __init__(self, home: Path) -> None:
        port = str(free_ports(1)[0])
        given = {"BEEJAN_HOME": str(home), "BEEJAN_PORT": port, "BEEJAN_INGEST_REPLICAS": "2"}
        given["RAY_SERVE_SLOW_STARTUP_WARNING_S"] = "600"  # its log is to say nothing, on a busy machine too
        self.environment = {**os.environ, **given, "BEEJAN_CURATE_S": "1", "BEEJAN_MIN_FREE_BYTES": "0"}
        self.settings = read(self.environment)
        self.url = up.address(self.settings)
        self.log = home / "state" / "up.log"
        self.clients = ExitStack()

    def beejan(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        return subprocess.run(
            [BEEJAN, *words], capture_output=True, text=True, env=self.environment, check=False
        )

    def told(self, *words: str) -> Any:
        """What a command that succeeds says as JSON."""
        done = self.beejan(*words, "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    def key(self, source: str, role: Role, *channels: str) -> httpx.Client:
        """A client with a new key, known to the doors in a few seconds."""
        return self.client(open_keys(self.settings).create(source, channels, role).token)

    def client(self, token: str) -> httpx.Client:
        """A client with this key."""
        headers = {"Authorization": f"Bearer {token}"}
        return self.clients.enter_context(httpx.Client(base_url=self.url, headers=headers, timeout=60.0))

    def section(self, title: str) -> str:
        """A section of the README run by a shell; what it printed."""
        script = re.sub(
            r"```python\n(.*?)```",
            rf"```console\n{sys.executable} - <<'PYTHON'\n\1PYTHON\n```",
            README.read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0],
            flags=re.S,
        )
        blocks = re.findall(r"```console\n(.*?)```", script, re.S)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "".join(blocks).replace("http://127.0.0.1:8000", self.url)],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout


@contextmanager
def ended(house: House) -> Iterator[None]:
    """Whatever happens, nothing that was started stays."""
    try:
        with house.clients:
            yield
    finally:
        if up.running(house.settings) is not None:
            house.beejan("down")
        if (left := up.running(house.settings)) is not None:
            with suppress(ProcessLookupError):
                os.killpg(left.pid, signal.SIGKILL)  # it leads a group of its own


class Seen(NamedTuple):
    """What was seen of one life of the product; of each thing that was asked, status and JSON."""

    sent: str
    asked: str
    twice: list[tuple[int, bytes]]
    batch: httpx.Response
    answers: dict[str, httpx.Response]
    status: Any
    again: str
    down: subprocess.CompletedProcess[str]
    reads: Any
    commits: list[str]


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, own_ports: None) -> Iterator[House]:
    found = House(tmp_path_factory.mktemp("house") / "home")
    with ended(found):
        yield found


@pytest.fixture(scope="session")
def seen(house: House) -> Seen:
    """The first life: the README, then what it does not show."""
    sender, other = house.key("crm", "ingest", "sms"), house.key("other", "ingest", "social")
    sent = house.section("Send complaints")
    twice, batch = send(sender)
    asked = house.section("Ask")
    event_id = json.loads(twice[0][1])["event_id"]
    address = f"/v1/events/{event_id}"
    await_committed(sender, [address, *(each["status_url"] for each in batch.json()["results"])])
    analyst, officer = house.key("a", "analyst"), house.key("c", "compliance")
    await_known(analyst, officer)
    await_taken(analyst)
    row = f"/query/v1/complaints/{event_id}"
    nobody = house.client("nothing")
    answers = {
        "event": sender.get(address),
        "another's event": other.get(address),
        "row": analyst.get(row),
        "original": officer.get(row, params={"original": "true"}),
        "sql": analyst.post("/query/v1/sql", json={"sql": COUNT}),
        "large": analyst.post("/query/v1/sql", json={"sql": LARGE, "limit": 10_000}),
        "moved": analyst.post("/v1/sql", json={"sql": COUNT}),
        "basic": httpx.get(f"{house.url}/query/v1/dictionary", auth=("any", token_of(analyst))),
        "no ascii": httpx.get(f"{house.url}/query/v1/ledger", headers={"X-City": "São Paulo".encode()}),
        "described": httpx.get(f"{house.url}/query/v1/openapi.json"),
        "refused sql": analyst.post("/query/v1/sql", json={"sql": "SELECT * FROM read_csv('/etc/passwd')"}),
        "no original": analyst.get(row, params={"original": "true"}),
        "nobody sends": nobody.post("/v1/sms/events", json={}),
        "nobody asks": nobody.post("/query/v1/sql", json={"sql": COUNT}),
        "analyst sends": analyst.post("/v1/sms/events", json={}),
        "sender asks": sender.get("/query/v1/ledger"),
        "another channel": sender.post("/v1/web_form/events", json={}),
    }
    status = house.told("status")
    again = house.beejan("up").stdout
    with ThreadPoolExecutor(1) as pool, following(analyst) as lines:
        followed = pool.submit(list, lines)
        down = house.beejan("down")
    return Seen(
        sent,
        asked,
        twice,
        batch,
        answers,
        status,
        again,
        down,
        house.told("keys", "reads"),
        followed.result(),
    )


def token_of(client: httpx.Client) -> str:
    """The key of a client."""
    return client.headers["Authorization"].removeprefix("Bearer ")


@contextmanager
def following(analyst: httpx.Client) -> Iterator[Iterator[str]]:
    """The lines of the stream of all commits; it must have ended in order once they have."""
    with analyst.stream(
        "GET", "/query/v1/commits/events", headers={"Last-Event-ID": "0"}, timeout=PENDING_S
    ) as answer:
        assert answer.status_code == 200
        yield answer.iter_lines()


def send(sender: httpx.Client) -> tuple[list[tuple[int, bytes]], httpx.Response]:
    """One event to both replicas at once, several times, and a batch."""
    event = {"MessageSid": "SM-twice", "From": "+2348035550142", "Body": "No network in Ikeja. 08035550142",
             "DateSent": "2025-11-21T10:00:00"}  # fmt: skip
    with ThreadPoolExecutor(COPIES) as pool:
        answers = list(pool.map(lambda _: sender.post("/v1/sms/events", json=event), range(COPIES)))
    batch = sender.post(
        "/v1/sms/events:batch?contract=plain/1",
        content="\n".join(BATCH),
        headers={"Content-Type": "application/x-ndjson"},
    )
    return [(answer.status_code, answer.content) for answer in answers], batch


def await_committed(sender: httpx.Client, addresses: list[str]) -> None:
    until_s = time.monotonic() + PENDING_S
    waiting = list(addresses)
    while waiting and time.monotonic() < until_s:
        waiting = [each for each in waiting if sender.get(each).json()["state"] != "committed"]
    assert not waiting


def await_known(*clients: httpx.Client) -> None:
    until_s = time.monotonic() + PENDING_S
    while any(each.get("/query/v1/dictionary").status_code == 401 for each in clients):
        assert time.monotonic() < until_s


def await_taken(asker: httpx.Client) -> None:
    """The doors that take in have a cache of their own, in every replica."""
    until_s, known = time.monotonic() + PENDING_S, 0
    while known < 20:
        known = known + 1 if asker.post("/v1/sms/events", json={}).status_code != 401 else 0
        assert time.monotonic() < until_s


def require_whole(house: House) -> None:
    """What `verify`, `redecide` and `ledger` look at is as it should be."""
    stores = open_stores(house.settings)
    assert verify_home(stores).ok
    assert redecide_home(house.settings) == (True, EVENTS, [])
    ledger = ledger_home(stores)
    assert ledger.balanced
    assert ledger.total["received"] - ledger.total["redelivered"] == EVENTS


def test_the_readme_sends_and_is_answered(seen: Seen) -> None:
    assert seen.sent.count('"id_origin":"provider"') == 3
    assert '"event_id":"fccc3f361e17ca42c181d89afdd5455b","state":"' in seen.sent
    assert "'state': 'committed', 'disposition': 'accepted'" in seen.sent


def test_the_readme_asks_and_is_answered(seen: Seen) -> None:
    assert "overcharge" in seen.asked
    assert '{"channel":"web_form","disposition":"quarantined","events":1}' in seen.asked
    assert '"explanation":["It came through sms from gateway' in seen.asked
    assert "08035550142" not in seen.asked
    assert re.search(r"^web_form,3,2,0,1,0,true", seen.asked, re.M)


def test_the_same_event_to_both_at_once_has_one_receipt_and_one_row(seen: Seen, house: House) -> None:
    assert set(seen.twice) == {(202, seen.twice[0][1])}
    assert [each["status"] for each in seen.batch.json()["results"]] == [202] * len(BATCH)
    event = seen.answers["event"].json()
    assert (event["state"], event["disposition"], event["reason"]) == ("committed", "accepted", None)
    assert seen.answers["another's event"].json()["state"] == "pending"
    assert seen.answers["sql"].json()["rows"] == [{"events": EVENTS, "ids": EVENTS}]


def test_each_role_sees_what_it_may(seen: Seen) -> None:
    row = seen.answers["row"].json()
    assert row["event"]["redacted_text"] == "No network in Ikeja. <PHONE>"
    assert (row["event"]["customer_key"], row["event"]["region"]) == (None, "Lagos")
    original = seen.answers["original"].json()
    assert original["event"]["customer_key"]
    assert json.loads(original["original"])["From"] == "+2348035550142"
    refused = {name: answer.status_code for name, answer in seen.answers.items() if answer.is_error}
    assert refused == {
        "refused sql": 400,
        "moved": 404,
        "no ascii": 400,
        "no original": 403,
        "nobody sends": 401,
        "nobody asks": 401,
        "analyst sends": 403,
        "sender asks": 403,
        "another channel": 403,
    }


def test_a_large_answer_comes_whole(seen: Seen) -> None:
    answer = seen.answers["large"]
    assert (answer.status_code, len(answer.json()["rows"])) == (200, 10_000)
    assert len(answer.content) > 8_000_000


def test_what_has_moved_says_where_it_is(seen: Seen) -> None:
    assert "/query/v1/sql" in seen.answers["moved"].json()["detail"]
    assert seen.answers["basic"].is_success
    assert seen.answers["no ascii"].json()["code"] == "header_invalid"
    assert all(path.startswith("/query/v1/") for path in seen.answers["described"].json()["paths"])


def test_a_subscriber_gets_every_commit_and_is_let_go(seen: Seen, house: House) -> None:
    data = [json.loads(line[6:]) for line in seen.commits if line.startswith("data: ")]
    assert [each["commit_seq"] for each in data] == list(range(1, seen.status["commit_seq"] + 1))
    received = sum(counts["received"] for each in data for counts in each["counts"].values())
    assert received == EVENTS + COPIES - 1


def test_a_read_of_an_original_is_noted(seen: Seen) -> None:
    event_id = json.loads(seen.twice[0][1])["event_id"]
    assert [each["event_id"] for each in seen.reads] == [event_id]


def test_up_says_where_it_is_and_down_ends_in_order(seen: Seen, house: House) -> None:
    names = {each["name"] for each in seen.status["actors"] if each["alive"]}
    assert {"driver", "sequencer", "dedup", "worker-0"} <= names
    assert seen.status["doors"] == house.url
    assert (seen.status["backlog_events"], seen.status["stopped"]) == (0, [])
    assert seen.again.startswith(f"up already at {house.url}")
    assert (seen.down.returncode, seen.down.stdout) == (0, "stopped\n")
    assert not [
        line for line in house.log.read_text().splitlines() if re.search("WARN|ERROR|fail|\x1b", line)
    ]


@pytest.mark.full
def test_make_demo_plays_a_day_and_stops(tmp_path: Path) -> None:
    day = House(tmp_path / "home")
    with ended(day):
        make = ["make", "--old-file=.venv/ready", f"BIN={Path(BEEJAN).parent}", "EVENTS=60", "demo"]
        done = subprocess.run(
            make, cwd=ROOT, env=day.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr + done.stdout
        assert up.running(day.settings) is None
    for said in (
        "sent",
        "Complaints by category",
        "The ledger",
        "from start to answers",
        "stopped; its data",
    ):
        assert said in done.stdout
    ledger = ledger_home(open_stores(day.settings))
    assert (ledger.balanced, ledger.total["received"]) == (True, 60)


def test_what_it_leaves_is_whole_and_a_second_life_finds_it(seen: Seen, house: House) -> None:
    assert list((house.settings.home / "log").iterdir()) == []  # sealed and published
    require_whole(house)
    assert house.beejan("up").returncode == 0
    analyst, sender = house.key("later", "analyst"), house.key("crm", "ingest", "sms")
    await_known(analyst)
    ids = analyst.post("/query/v1/sql", json={"sql": "SELECT event_id FROM events"}).json()["rows"]
    assert Counter(row["event_id"] for row in ids) == {row["event_id"]: 1 for row in ids}
    assert len(ids) == EVENTS
    until_s = time.monotonic() + PENDING_S
    while (again := send(sender)[0])[0][0] == 401 and time.monotonic() < until_s:
        continue
    assert again[0] == seen.twice[0]
    assert house.beejan("down").stdout == "stopped\n"
    require_whole(house)
