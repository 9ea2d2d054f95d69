"""The whole product is up and takes events, and one process of it after the other is killed or stopped.

Whichever it is, acknowledgements and commits flow again by themselves, `status` tells the outage, every
answer that a client gets is one that the address may give, and what was acknowledged is one row. A trial is
one life of the product with the outages of one kind of process, so that a campaign can stop between them.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, NamedTuple

import httpx

from benchmarks.faults import check
from benchmarks.faults.bench import Outcome, Trial
from benchmarks.faults.workload import settings
from cluster import up
from cluster.checks import verify_home
from cluster.home import Home
from cluster.settings import Settings
from cluster.stack import daemon
from cluster.stack.stack import free_ports
from cluster.supervisor import processes
from cluster.supervisor.record import files
from cluster.wiring import open_keys, open_stores

RATE, SENDERS = 60.0, 12
FLOW_S, COMMIT_S, SETTLE_S, END_S = 60.0, 90.0, 120.0, 32.0
"""How long each may take; a trial's `patience` makes them longer, for a machine that does much else."""
LOOK_S = 0.2
AT_WORK = {"plan_rows": 5_000, "segment_bytes": 64 << 20, "checkpoint_plans": 20}
"""Settings of a product at work: those of the other parts make many small commits of few events."""
SUPERVISOR, PROXY = "supervisor", "proxy"
KILLS = [signal.SIGKILL.name] * 3 + [signal.SIGSTOP.name]
RANDOM = 40
MAY_SAY = {202, 401, 409, 429, 503}
"""What an address that takes events may answer to a valid request; a key is new for some seconds."""


def kinds() -> list[str]:
    """Every kind of process that `up` starts."""
    return sorted({*processes.OWN, *processes.expected(Settings()), PROXY, SUPERVISOR})


def trials(seed: int) -> Iterator[Trial]:
    """Three kills and a stop of each kind, then forty at random in lives of ten."""
    rng = random.Random(seed)
    for kind in kinds():
        yield {"outages": [[kind, name] for name in KILLS], "seed": rng.randrange(1 << 30)}
    for _ in range(RANDOM // 10):
        chosen = [[rng.choice(kinds()), rng.choice(KILLS)] for _ in range(10)]
        yield {"outages": chosen, "seed": rng.randrange(1 << 30)}


def run(trial: Trial, folder: Path) -> Outcome:
    """One life under load, with these outages one at a time."""
    given = settings(folder / "home", port=free_ports(1)[0], curate_s=5.0, **AT_WORK)
    product = Product(given, float(trial.get("patience", 1)))
    found, hits, pauses = list[str](), Counter[str](), dict[str, list[float]]()
    try:
        product.beejan("up")
        with product.load(RATE) as load:
            for kind, name in trial["outages"]:
                pause_s, told = product.suffer(load, kind, signal.Signals[name])
                found.extend(f"{name} to the {kind}: {each}" for each in told)
                hits[kind] += 1
                pauses.setdefault(f"{kind} {name}", []).append(round(pause_s, 1))
        found.extend(load.wrong())
        began_s = time.monotonic()
        product.beejan("down")
        ended_s = time.monotonic() - began_s
        if ended_s > END_S * product.patience:
            found.append(f"down took {ended_s:.0f} s")
        found.extend(product.left())
    finally:
        product.end()
    stores = open_stores(product.settings)
    rows = Counter(row["event_id"] for row in check.events(stores.lake()))
    report = verify_home(stores)
    waiting = report.pending
    lost = [each for each in load.acknowledged if rows[each] != 1]
    if len(lost) > waiting:
        found.append(f"{len(lost)} acknowledged events are not one row, {waiting} are pending")
    if not report.ok:
        found.append("verify is not ok")
    facts = {"acknowledged": len(load.acknowledged), "answers": load.answers(), "pauses_s": pauses}
    return Outcome(found, dict(hits), facts)


class Told(NamedTuple):
    """One answer: when it came, its status and the code of its problem."""

    at_s: float
    status: int
    code: str


class Load:
    """Senders that send new events at a rate, and what they were told."""

    def __init__(self, url: str, token: str, rate: float, senders: int) -> None:
        self._url, self._token, self._rate, self._senders = url, token, rate, senders
        self._stop, self._lock = Event(), Lock()
        self.told: list[Told] = []
        self.acknowledged: list[str] = []

    def start(self) -> list[Thread]:
        """Send until `stop`."""
        senders = [Thread(target=self._send, args=(n,)) for n in range(self._senders)]
        for each in senders:
            each.start()
        return senders

    def stop(self) -> None:
        """No more."""
        self._stop.set()

    def _send(self, sender: int) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        with httpx.Client(base_url=self._url, headers=headers, timeout=30.0, trust_env=False) as client:
            began_s, n = time.monotonic(), 0
            while not self._stop.is_set():
                n += 1
                self._stop.wait(max(0.0, began_s + n * self._senders / self._rate - time.monotonic()))
                event = {"id": f"{self._token[-6:]}-{sender}-{n}-{began_s}", "text": "No network in Ikeja"}
                self._note(client, event | {"event_time": "2026-11-20T10:00:00Z"})

    def _note(self, client: httpx.Client, event: dict[str, str]) -> None:
        try:
            answer = client.post("/v1/sms/events?contract=plain/1", json=event)
        except httpx.TransportError as error:  # a connection that ended with who held it
            told = Told(time.monotonic(), 0, type(error).__name__)
        else:
            told = Told(time.monotonic(), answer.status_code, _code(answer))
            if answer.status_code == 202:
                with self._lock:
                    self.acknowledged.append(answer.json()["event_id"])
        with self._lock:
            self.told.append(told)

    def flows_after(self, at_s: float, within_s: float) -> bool:
        """Whether half a second's events were acknowledged within this time."""
        while time.monotonic() < at_s + within_s:
            with self._lock:
                good = sum(each.status == 202 for each in self.told if each.at_s >= at_s)
            if good > self._rate / 2:
                return True
            time.sleep(LOOK_S)
        return False

    def longest_pause(self, since_s: float) -> float:
        """Seconds without an acknowledgement, the longest since then."""
        with self._lock:
            good = [each.at_s for each in self.told if each.at_s >= since_s and each.status == 202]
        return max((later - earlier for earlier, later in pairwise([since_s, *good])), default=0.0)

    def answers(self) -> dict[str, int]:
        """How often each was told."""
        return dict(Counter(f"{each.status} {each.code}".strip() for each in self.told))

    def wrong(self) -> list[str]:
        """Answers that no valid request may get."""
        odd = Counter((each.status, each.code) for each in self.told if each.status not in (0, *MAY_SAY))
        silent = Counter(each.code for each in self.told if each.code in ("no problem", "ReadTimeout"))
        return [f"answered {key} {n} times" for key, n in (*odd.items(), *silent.items())]


def _code(answer: httpx.Response) -> str:
    if answer.status_code == 202:
        return ""
    is_problem = answer.headers.get("Content-Type", "") == "application/problem+json"
    is_patient = answer.status_code not in (429, 503) or "Retry-After" in answer.headers
    return str(answer.json()["code"]) if is_problem and is_patient else "no problem"


class Product:
    """A home that is up, looked at and attacked from outside."""

    def __init__(self, configured: Settings, patience: float = 1.0) -> None:
        self.settings, self.patience = configured, patience
        self._files = files(Home(configured.home))
        values = {spec.metadata["name"]: getattr(configured, spec.name) for spec in fields(configured)}
        self._environment = os.environ | {name: str(value) for name, value in values.items()}

    def beejan(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        command = [sys.executable, "-m", "cluster.cli", *words]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)

    @contextmanager
    def load(self, rate: float, senders: int = SENDERS) -> Iterator[Load]:
        """Senders at work."""
        token = open_keys(self.settings).create("crm", ["sms"], "ingest").token
        made = Load(up.address(self.settings), token, rate, senders)
        sending = made.start()
        try:
            if not made.flows_after(time.monotonic(), FLOW_S * self.patience):
                raise RuntimeError("nothing was acknowledged")
            yield made
        finally:
            made.stop()
            for each in sending:
                each.join()

    def suffer(self, load: Load, kind: str, number: signal.Signals) -> tuple[float, list[str]]:
        """One outage, waited out; the longest pause in acknowledgements, and what was not as promised."""
        at_s, at = time.monotonic(), time.time()
        pid = self.pid(kind)
        os.kill(pid, number)
        found = []
        if kind == SUPERVISOR:  # nobody mends it but the next `up`
            time.sleep(11.0 if number == signal.SIGSTOP else 2.0)
            state = self.status()["supervisor"]["state"]
            found.extend([] if state in ("gone", "silent") else [f"status says {state}"])
            self.beejan("up")
        found.extend(self._until_whole(kind, pid, at))
        # What is acknowledged after a pause is committed, too.
        flows = load.flows_after(time.monotonic(), FLOW_S * self.patience)
        with load._lock:
            last = load.acknowledged[-1]
        if not flows or not self._is_committed(last, time.monotonic() + COMMIT_S * self.patience):
            found.append(f"no commits for {COMMIT_S * self.patience:.0f} s")
        pause_s = load.longest_pause(at_s)
        if pause_s > FLOW_S * self.patience:
            found.append(f"no acknowledgements for {pause_s:.0f} s")
        return pause_s, found

    def _is_committed(self, event_id: str, until_s: float) -> bool:
        while time.monotonic() < until_s:
            state = json.loads(self.beejan("event", event_id, "--json").stdout or "{}").get("state")
            if state == "committed":
                return True
            time.sleep(LOOK_S)
        return False

    def _until_whole(self, kind: str, pid: int, at: float) -> list[str]:
        """Until every kind of process is there again and one generation is left."""
        until_s = time.monotonic() + SETTLE_S * self.patience
        while time.monotonic() < until_s:
            record = self._files.read()
            is_one = [life.is_ready for life in record.lives] == [True]
            is_whole = all(self.pid(each) not in (0, pid) for each in kinds()) and not record.open_outages
            is_told = kind == SUPERVISOR or any(each.since >= at - 1.0 for each in record.outages)
            if is_one and is_whole and is_told:
                return []
            time.sleep(LOOK_S)
        missing = [each for each in kinds() if not self.pid(each)]
        told = [each.what for each in record.outages if each.since >= at - 1.0 or each.until is None]
        return [f"not whole, or not told, in time: missing {missing}, told {told}"]

    def status(self) -> dict[str, Any]:
        """What `status --json` says."""
        found: dict[str, Any] = json.loads(self.beejan("status", "--json").stdout)
        return found

    def pid(self, kind: str) -> int:
        """A process of this kind in the newest generation; 0 for none."""
        if kind == SUPERVISOR:
            held = up.running(self.settings)
            return held.pid if held is not None else 0
        if kind == PROXY:
            proxy = daemon.noted(self._files.proxy_note)
            return proxy.pid if proxy is not None else 0
        for life in self._files.read().lives[-1:]:
            if leader := daemon.named(self._files.note(life.number)):
                return next((each.pid for each in processes.session(leader) if each.name == kind), 0)
        return 0

    def left(self) -> list[str]:
        """What is left of a product that was told to end."""
        record = self._files.read()
        folders = [each.folder for each in record.lives if Path(each.folder).exists()]
        running = [kind for kind in kinds() if self.pid(kind)]
        return [f"left behind: {each}" for each in (*folders, *running)]

    def end(self) -> None:
        """Kill whatever still runs of it."""
        with suppress(ProcessLookupError):
            if pid := self.pid(SUPERVISOR):
                os.kill(pid, signal.SIGKILL)
        self.beejan("down")


def judge(outcomes: Sequence[Outcome]) -> list[str]:
    """Each kind of process was killed."""
    killed = Counter[str]()
    for outcome in outcomes:
        killed.update(outcome.hits)
    return [f"the {kind} was never killed" for kind in kinds() if not killed[kind]]
