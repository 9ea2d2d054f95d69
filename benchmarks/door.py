"""What clients of the doors see under restarts, half-sent requests and overload; for an idle machine.

    python -m benchmarks.door restarts --times 20
    python -m benchmarks.door heads
    python -m benchmarks.door overload --seconds 120

Each part starts a product of its own and prints one JSON document: every figure beside one of the same run.
`overload` needs vegeta, a compiled load generator that keeps its rate whatever the answers are, on the PATH.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from statistics import quantiles
from threading import Event, Thread
from typing import Any

import httpx

from benchmarks.faults.parts.outages import AT_WORK, MAY_SAY, Product
from benchmarks.faults.workload import settings
from cluster import up
from cluster.stack.stack import free_ports
from cluster.wiring import open_keys

ATTACKER = "127.0.0.2"
HEADS, DRIPS = 4_200, 200
HEAD = b"POST /v1/sms/events HTTP/1.1\r\nHost: beejan\r\n"
BODY = HEAD + b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"
QUIET_S = 15.0
BATCH = 200


@contextmanager
def product() -> Iterator[Product]:
    """One that is up, with the settings of a product at work, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="beejan-door-") as folder:
        made = Product(settings(Path(folder, "home"), port=free_ports(1)[0], **AT_WORK))
        try:
            done = made.beejan("up")
            if done.returncode:
                raise SystemExit(done.stderr)
            yield made
        finally:
            made.beejan("down")


def restarts(times: int) -> dict[str, Any]:
    """`up --replace` again and again under 16 clients: pauses in acknowledgements, and every answer."""
    with product() as made, made.load(100.0, senders=16) as load:
        pauses = []
        for _ in range(times):
            began_s = time.monotonic()
            made.beejan("up", "--replace")
            time.sleep(2.0)
            good = [each.at_s for each in load.told if each.at_s >= began_s and each.status == 202]
            gaps = [later - earlier for earlier, later in pairwise(good)]
            pauses.append(round(max(gaps, default=time.monotonic() - began_s), 2))
        return {"pauses_s": pauses, "answers": load.answers(), "wrong": load.wrong()}


class Quiet:
    """One client that sends an event every 20 ms, and how long each answer took."""

    def __init__(self, made: Product, key: str, path: str = "/v1/sms/events?contract=plain/1") -> None:
        self._url, self._key, self._path = up.address(made.settings), key, path
        self.seconds: list[float] = []
        self.answers: Counter[int] = Counter()

    def measure(self, seconds: float) -> dict[str, Any]:
        """Send for so long; quantiles in milliseconds."""
        self.seconds, self.answers = [], Counter()
        until_s = time.monotonic() + seconds
        with httpx.Client(headers={"Authorization": f"Bearer {self._key}"}, timeout=30.0) as client:
            n = 0
            while time.monotonic() < until_s:
                n += 1
                event = {"id": f"quiet-{until_s}-{n}", "text": "No network in Ikeja"}
                began_s = time.monotonic()
                try:
                    answer = client.post(self._url + self._path, json=event)
                    self.answers[answer.status_code] += 1
                except httpx.TransportError:
                    self.answers[0] += 1
                self.seconds.append(time.monotonic() - began_s)
                time.sleep(0.02)
        cuts = quantiles(self.seconds, n=100)
        told = {"p50_ms": cuts[49], "p99_ms": cuts[98], "max_ms": max(self.seconds)}
        return {name: round(each * 1e3, 1) for name, each in told.items()} | {"answers": dict(self.answers)}


def heads() -> dict[str, Any]:
    """Unfinished heads and bodies from another address, then from the same one, beside a quiet client."""
    with product() as made:
        quiet = Quiet(made, open_keys(made.settings).create("quiet", ["sms"], "ingest").token)
        time.sleep(5.0)
        found = {"alone": quiet.measure(QUIET_S)}
        port = made.settings.port
        for name, address in (("another address", ATTACKER), ("the same address", "127.0.0.1")):
            with attack(port, address, HEADS, 0, False):
                found[f"heads once, {name}"] = quiet.measure(QUIET_S)
            with attack(port, address, HEADS, 0, True):
                found[f"heads again and again, {name}"] = quiet.measure(QUIET_S)
            with attack(port, address, 0, DRIPS, False):
                found[f"dripping, {name}"] = quiet.measure(QUIET_S)
            found[f"afterwards, {name}"] = quiet.measure(QUIET_S)
        return found


@contextmanager
def attack(port: int, address: str, heads: int, drips: int, again: bool) -> Iterator[None]:
    """In a process of its own, until the block ends."""
    words = [str(port), str(heads), str(drips), address, "again" if again else "once"]
    with subprocess.Popen(["python3", "-c", ATTACK, *words], stdout=subprocess.PIPE) as attacker:
        assert attacker.stdout is not None
        attacker.stdout.readline()
        try:
            yield
        finally:
            attacker.kill()


ATTACK = f"""
import socket, sys, time
port, heads, drips = (int(each) for each in sys.argv[1:4])
address, again = sys.argv[4:6]
def opened(sent):
    try:
        made = socket.create_connection(("127.0.0.1", port), 5, (address, 0))
        made.sendall(sent)
        made.setblocking(False)
        return made
    except OSError:
        return None
def gone(one):
    try:
        return one.recv(4096) is not None
    except BlockingIOError:
        return False
    except OSError:
        return True
held = [opened({HEAD!r}) for _ in range(heads)]
held += [opened({HEAD!r}) for _ in range(drips)] + [opened({BODY!r}) for _ in range(drips)]
print("open", flush=True)
for _ in range(100_000):
    if drips:
        for one in held:
            try:
                one and one.send(b"a")
            except OSError:
                pass
        time.sleep(1)
    elif again == "again":
        for n, one in enumerate(held):
            if one is None or gone(one):
                one and one.close()
                held[n] = opened({HEAD!r})
        time.sleep(0.001)
    else:
        time.sleep(1)
"""
"""The attacker: opens, then waits, drips a byte a second, or opens again what was closed."""


def overload(seconds: int) -> dict[str, Any]:
    """Three times what the door can take, as single requests, as batches, and over 4,000 connections."""
    if shutil.which("vegeta") is None:
        raise SystemExit("vegeta is not on the PATH")
    with product() as made, tempfile.TemporaryDirectory() as folder:
        loud = open_keys(made.settings).create("loud", ["sms"], "ingest").token
        quiet = Quiet(made, open_keys(made.settings).create("quiet", ["sms"], "ingest").token)
        time.sleep(5.0)
        found: dict[str, Any] = {"quiet alone": quiet.measure(QUIET_S)}
        singles = targets(Path(folder, "singles"), up.address(made.settings), loud, 1)
        batches = targets(Path(folder, "batches"), up.address(made.settings), loud, BATCH)
        for name, file, connections in (
            ("single requests", singles, 256),
            ("batches", batches, 64),
            ("4,000 connections", singles, 4_000),
        ):
            capacity = vegeta(file, 0, 32, 10)["accepted_per_s"]
            with beside(quiet, seconds) as told:
                attacked = vegeta(file, int(3 * capacity) or 1, connections, seconds)
            ratio = round(attacked["accepted_per_s"] / capacity, 2) if capacity else 0.0
            found[name] = {"capacity_per_s": capacity, "accepted_ratio": ratio} | attacked | told
        began_s = time.monotonic()
        while made.status()["backlog_events"] and time.monotonic() < began_s + 600:
            time.sleep(1.0)
        return found | {"backlog_drained_s": round(time.monotonic() - began_s)}


@contextmanager
def beside(quiet: Quiet, seconds: int) -> Iterator[dict[str, Any]]:
    """A quiet source and the address that says alive, while the block runs."""
    told: dict[str, Any] = {}
    stop, alive = Event(), list[float]()

    def look(url: str) -> None:
        with httpx.Client(timeout=30.0) as client:
            while not stop.is_set():
                began_s = time.monotonic()
                with suppress(httpx.TransportError):
                    client.get(url)
                alive.append(time.monotonic() - began_s)
                time.sleep(0.1)

    both = [
        Thread(target=lambda: told.update(quiet=quiet.measure(seconds))),
        Thread(target=look, args=(quiet._url + "/healthz",)),
    ]
    for each in both:
        each.start()
    yield told
    stop.set()
    for each in both:
        each.join()
    told["healthz_max_ms"] = round(max(alive) * 1e3, 1)


def targets(file: Path, url: str, token: str, events: int) -> Path:
    """Requests for vegeta, each with ids of its own."""
    address = f"{url}/v1/sms/events{':batch' if events > 1 else ''}?contract=plain/1"
    kind = "application/x-ndjson" if events > 1 else "application/json"
    head = {"Authorization": [f"Bearer {token}"], "Content-Type": [kind]}
    with file.open("w") as stream:
        for n in range(100_000 // events):
            lines = [
                json.dumps({"id": f"{file.name}-{n}-{i}", "text": f"No network in Ikeja {n} {i}"})
                for i in range(events)
            ]
            body = base64.b64encode("\n".join(lines).encode()).decode()
            stream.write(json.dumps({"method": "POST", "url": address, "header": head, "body": body}) + "\n")
    return file


def vegeta(file: Path, rate: int, connections: int, seconds: int) -> dict[str, Any]:
    """A run on one core, as fast as `connections` allow when the rate is 0."""
    command = ["vegeta", "-cpus=1", "attack", "-format=json", f"-targets={file}", f"-duration={seconds}s"]
    command += [f"-rate={rate}", f"-max-workers={connections}", f"-connections={connections}", "-timeout=30s"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as attacking:
        told = subprocess.run(
            ["vegeta", "encode", "-to=json"], stdin=attacking.stdout, capture_output=True, check=True
        )
    answers, good, slowest, patient = Counter[int](), list[float](), 0.0, 0
    for line in told.stdout.splitlines():
        each = json.loads(line)
        answers[each["code"]] += 1
        slowest = max(slowest, each["latency"] / 1e9)
        if each["code"] == 202:
            good.append(each["latency"] / 1e9)
        elif each["code"] in (429, 503):
            patient += "Retry-After" in each["headers"]
    return {
        "answers": {str(code): n for code, n in sorted(answers.items())},
        "not as promised": sum(n for code, n in answers.items() if code not in MAY_SAY),
        "refused with Retry-After": patient,
        "accepted_per_s": round(answers[202] / seconds),
        "accepted_p99_ms": round(quantiles(good, n=100)[98] * 1e3) if len(good) > 1 else 0,
        "slowest_ms": round(slowest * 1e3),
    }


def main() -> None:
    """Run a part."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.door")
    parser.add_argument("part", choices=["restarts", "heads", "overload"])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=120)
    given = parser.parse_args()
    socket.setdefaulttimeout(30.0)
    if given.part == "restarts":
        found = restarts(given.times)
    else:
        found = heads() if given.part == "heads" else overload(given.seconds)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
