"""Two deployments on one PostgreSQL and one bucket, each with a door, a sequencer and a node of its own.

    python -m benchmarks.two_deployments --cluster FILE [--seconds 300] [--rate 40]

Events go to either door, a third of them to both, and to the other one when one refuses. At the end of
`seconds` the first deployment is told to end (SIGTERM) while events keep coming. Then all that is durable is
decided and held to what the client was told. Both use the plain runtime and the door behind uvicorn.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import pyarrow.compute as pc
import uvicorn

from catalog.lake import read
from catalog.tables import EVENTS
from cluster.checks import ledger_home, redecide_home, verify_home
from cluster.serving import build_ingest
from cluster.settings import Settings
from cluster.settings import read as settings_of
from cluster.stack.stack import free_ports
from cluster.wiring import open_keys, open_stores
from serve_apps.ingest.api import create_api

AFTER_S = 5.0
"""How long events go on when one deployment has ended."""
START_S = 120.0
LOOK_S = 0.1
SOURCE = "load"


class Deployment(NamedTuple):
    """One of both: its node's folder, where its door is, and its two processes."""

    name: str
    url: str
    door: subprocess.Popen[bytes]
    runner: subprocess.Popen[bytes]

    def drain(self) -> list[int]:
        """End the door, then the sequencer, as a shutdown does; the exit codes of both."""
        ended = []
        for process in (self.door, self.runner):
            process.send_signal(signal.SIGTERM)
            ended.append(process.wait(START_S))
        return ended


class Told(NamedTuple):
    """What the client was told: ids with a 202, and how its requests ended."""

    ids: set[str]
    ended: Counter[str]


@contextmanager
def deployment(name: str, folder: Path, cluster: Path) -> Iterator[Deployment]:
    """A deployment of its own, which does not outlive the block."""
    (port,) = free_ports(1)
    node = {"BEEJAN_HOME": str(folder / name), "BEEJAN_PORT": str(port), "BEEJAN_MIN_FREE_BYTES": "0"}
    given = os.environ | {"BEEJAN_PROFILE": "cluster", "BEEJAN_CLUSTER": str(cluster)} | node
    with ExitStack() as stack:
        log = stack.enter_context((folder / f"{name}.log").open("wb"))
        door = [sys.executable, "-m", "benchmarks.two_deployments", "--door"]
        runner = [sys.executable, "-m", "cluster.cli", "run", "--runtime", "plain"]
        started = []
        for command in (door, runner):
            process = subprocess.Popen(command, env=given, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            stack.callback(_end, process)
            started.append(process)
        yield Deployment(name, f"http://127.0.0.1:{port}", *started)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()


def door(settings: Settings) -> None:
    """The door of one deployment, in this process, until SIGTERM."""
    deps = build_ingest(settings)._replace(hint=lambda: None)
    config = uvicorn.Config(
        create_api(deps), host=settings.host, port=settings.port, log_level="warning", access_log=False
    )
    signal.signal(signal.SIGTERM, lambda *_: None)  # which uvicorn raises once more when it has drained
    uvicorn.Server(config).run()


def load(both: list[Deployment], token: str, seconds: float, rate: float, rng: random.Random) -> Told:
    """Events for so many seconds and beyond the end of the first deployment, which ends in between."""
    told = Told(set(), Counter())
    first, living, begin_s, n = both[0], list(both), time.monotonic(), 0
    ending: subprocess.Popen[bytes] | None = None
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with httpx.Client(headers=headers, timeout=30.0) as client:
        while (now_s := time.monotonic() - begin_s) < seconds + AFTER_S:
            if now_s >= seconds and ending is None:
                ending = first.door
                ending.send_signal(signal.SIGTERM)
            if first in living and ending is not None and ending.poll() is not None:
                living.remove(first)
            n += 1
            body = _event(n, rng)
            order = rng.sample(living, len(living))
            _send(client, order, body, told)
            if rng.random() < 1 / 3:
                _send(client, order[::-1], body, told)
            time.sleep(max(0.0, n / rate - (time.monotonic() - begin_s)))
    return told


def _event(n: int, rng: random.Random) -> bytes:
    words = " ".join(rng.choice(("network", "down", "refund", "slow", "lagos", "agent")) for _ in range(20))
    event = {"id": f"load-{n}", "text": f"{words} {n}", "event_time": "2026-11-20T10:00:00Z"}
    return json.dumps(event).encode()


def _send(client: httpx.Client, order: list[Deployment], body: bytes, told: Told) -> None:
    """To the first that takes it. Without an answer it is sent again: the same bytes have one effect."""
    for each in order * 20:
        try:
            answer = client.post(f"{each.url}/v1/sms/events?contract=plain/1", content=body)
        except httpx.ConnectError:
            told.ended["refused: nobody listens"] += 1
        except httpx.HTTPError as error:
            told.ended[f"broken off: {type(error).__name__}"] += 1
        else:
            told.ended[str(answer.status_code)] += 1
            if answer.status_code == 202:
                told.ids.add(answer.json()["event_id"])
                return
        time.sleep(LOOK_S / 10)
    told.ended["given up"] += 1


def trial(folder: Path, cluster: Path, seconds: float, rate: float, seed: int) -> dict[str, object]:
    """Both under load, one of them ending; what was found afterwards, and what is wrong under `findings`."""
    common = os.environ | {"BEEJAN_PROFILE": "cluster", "BEEJAN_CLUSTER": str(cluster)}
    settings = settings_of(common | {"BEEJAN_HOME": str(folder / "checker")})
    token = open_keys(settings).create(SOURCE, ("sms",), "ingest").token
    with ExitStack() as stack:
        both = [stack.enter_context(deployment(name, folder, cluster)) for name in ("blue", "green")]
        for each in both:
            _await_ready(each)
        told = load(both, token, seconds, rate, random.Random(seed))
        ended = both[0].drain() + both[1].drain()
    command = [sys.executable, "-m", "cluster.cli", "run", "--runtime", "plain", "--until-idle"]
    subprocess.run(command, env=common | {"BEEJAN_HOME": str(folder / "checker")}, check=True)
    return _found(settings, told) | {"ended": ended}


def _await_ready(each: Deployment) -> None:
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s and each.door.poll() is None and each.runner.poll() is None:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{each.url}/readyz").status_code == 200:
                return
        time.sleep(LOOK_S)
    raise RuntimeError(f"{each.name} does not come up")


def _found(settings: Settings, told: Told) -> dict[str, object]:
    stores = open_stores(settings)
    lake = stores.lake()
    seq = lake.head(EVENTS.name).commit_seq
    ids = read.rows(lake, EVENTS.name, 0, seq, ["event_id"])["event_id"]
    counted = ledger_home(stores)
    verified, again = verify_home(stores), redecide_home(settings)
    table = set(ids.to_pylist())
    return {
        "acknowledged": len(told.ids),
        "requests": dict(told.ended),
        "rows": len(ids),
        "rows twice": len(ids) - pc.count_distinct(ids).as_py(),
        "acknowledged and not there": len(told.ids - table),
        "there and not acknowledged": len(table - told.ids),
        "ledger": counted.total,
        "ledger balanced": counted.balanced,
        "verify": verified.ok and not verified.pending,
        "redecide": again.ok and again.compared == len(ids),
        "plans": seq,
    }


def main() -> int:
    """Try it and print one JSON document; or be a door."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--door", action="store_true", help="be the door of one deployment")
    parser.add_argument("--cluster", type=Path, help="file of addresses and secrets")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--rate", type=float, default=40.0, help="events a second")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.door:
        door(settings_of())
        return 0
    with tempfile.TemporaryDirectory() as folder:
        cluster = given.cluster or settings_of().cluster
        found = trial(Path(folder), cluster, given.seconds, given.rate, given.seed)
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
