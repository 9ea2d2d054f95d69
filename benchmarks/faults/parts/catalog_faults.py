"""The databases and the object store fail under load: nothing lost, nothing doubled, appends go on.

On a PostgreSQL of the trial's own: its connections are ended, it is restarted without warning, it is away for
two minutes, during which events are acknowledged as before. Or the bucket answers through a bad network.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Self

import msgspec
import psycopg

from benchmarks.faults import check, process, proxy, servers, workload
from benchmarks.faults.bench import Outcome, Trial
from cluster import places
from cluster.places import Places
from cluster.stack import postgres
from cluster.stack.stack import DATABASES, Stack

PROFILES = ("cluster",)
GROUP, GROUPS = 4, 400
TRIES = 10
SEND_S = 0.5
"""Between two groups: as slow as rows are committed on a small machine."""
CALM_S = 6.0
"""At least so long there is no trouble after the last one, and at most between two restarts."""
LIMIT_S = 500.0
EACH_S = 60.0
"""For one connection to end: there is one every second or so, on a busy machine fewer."""
RATIO = 0.01
"""Of requests, for each of the proxy's five fates."""
CAMPAIGN = (
    *({"kind": "terminate", "times": 20} for _ in range(5)),
    *({"kind": "restart", "times": 5} for _ in range(4)),
    {"kind": "outage", "times": 1, "seconds": 120},
    *({"kind": "network", "times": 100} for _ in range(5)),
)
Trouble = Callable[[], dict[str, int]]
"""Makes trouble for a while: how much of it there was."""
STOP, PORT, CALM, DID = "stop", "port", "calm", "did.json"


def trials(seed: int, profile: str) -> Iterator[Trial]:
    """Connections first, then restarts, the outage, and the bad network."""
    del profile
    rng = random.Random(seed)
    for each in CAMPAIGN:
        yield {**each, "seed": rng.randrange(1 << 30)}


def run(trial: Trial, folder: Path) -> Outcome:
    """One kind of trouble, again and again, while events are sent and committed; then calm, and reckoning."""
    named = folder / workload.CLUSTER
    direct = places.read(named)
    if trial["kind"] != "network":
        with Database(folder) as database:
            places.write(database.places(direct), named)
            found = _beside(trial, folder, partial(TROUBLES[trial["kind"]], database, trial, folder))
            return _settled(trial, folder, *found)
    with process.Child(folder, partial(_carry, folder, direct, trial["seed"])) as carrier:
        _await((folder / PORT).exists)
        endpoint = f"http://127.0.0.1:{(folder / PORT).read_text()}"
        places.write(
            msgspec.structs.replace(direct, objects=replace(direct.objects, endpoint=endpoint)), named
        )
        findings, hits = _beside(trial, folder, partial(_acknowledge, trial, folder))
        (folder / CALM).touch()
        if code := carrier.wait():
            findings.append(f"the proxy ended with {code}")
    places.write(direct, named)
    return _settled(trial, folder, findings, hits | json.loads((folder / DID).read_text()))


def judge(outcomes: Sequence[Outcome], profile: str) -> list[str]:
    """Every kind of trouble was as frequent as meant."""
    del profile
    hits: Counter[str] = Counter()
    for outcome in outcomes:
        hits.update(outcome.hits)
    wanted: Counter[str] = Counter()
    for each in CAMPAIGN:
        wanted[str(each["kind"])] += int(str(each["times"]))
    return [f"{kind} only {hits[kind]} times" for kind, least in wanted.items() if hits[kind] < least]


def _beside(trial: Trial, folder: Path, trouble: Trouble) -> tuple[list[str], dict[str, int]]:
    """What was found while there was trouble, and how much of it there was."""
    settings = workload.settings(folder / "home")
    lines, receipts = workload.lines(trial["seed"], GROUP * GROUPS), folder / "receipts"
    stop = folder / STOP

    def is_over() -> bool:
        return stop.exists() or Event().wait(SEND_S)

    send = partial(process.append, settings, lines, receipts=receipts, group=GROUP, tries=TRIES)
    findings = []
    # The tables, made in peace: an error there only ends the command.
    if code := process.carry_out(folder, partial(process.run, settings)):
        findings.append(f"a first run ended with {code}")
    with (
        process.Child(folder, partial(send, range(len(lines)), is_over=is_over)) as sender,
        process.Child(folder, partial(process.run_until, settings, stop.exists)) as runner,
    ):
        hits = trouble()
        stop.touch()
        for name, child in (("the sender", sender), ("the run", runner)):
            if code := child.wait():
                findings.append(f"{name} ended with {code}")
    return findings, hits


def _settled(trial: Trial, folder: Path, findings: list[str], hits: dict[str, int]) -> Outcome:
    settings, receipts = workload.settings(folder / "home"), folder / "receipts"
    verdict = check.settle(folder, settings, workload.lines(trial["seed"], GROUP * GROUPS), receipts)
    return Outcome(findings + verdict.findings, hits, dict(verdict.facts))


def _terminate(database: Database, trial: Trial, folder: Path) -> dict[str, int]:
    del folder
    # Nothing more is ended where nothing connects any more.
    rng, ended, until_s = random.Random(trial["seed"]), 0, monotonic() + EACH_S * trial["times"]
    with database.owner() as connection:
        while ended < trial["times"] and monotonic() < until_s:
            ended += len(connection.execute(TERMINATE).fetchall())
            Event().wait(rng.random() / 2)
    return {"terminate": ended}


def _restart(database: Database, trial: Trial, folder: Path) -> dict[str, int]:
    del folder
    rng = random.Random(trial["seed"])
    for _ in range(trial["times"]):
        Event().wait(rng.random() * CALM_S)
        database.stop()
        database.start()
    Event().wait(CALM_S)
    return {"restart": trial["times"]}


def _outage(database: Database, trial: Trial, folder: Path) -> dict[str, int]:
    receipts = folder / "receipts"
    _await(lambda: len(workload.acknowledged(receipts)) >= GROUP)
    database.stop()
    before = len(workload.acknowledged(receipts))
    Event().wait(trial["seconds"])
    during = len(workload.acknowledged(receipts)) - before
    database.start()
    Event().wait(CALM_S)
    return {"outage": 1 if during else 0, "acknowledged during the outage": during}


def _acknowledge(trial: Trial, folder: Path) -> dict[str, int]:
    """Until so many events are acknowledged through the network."""
    receipts = folder / "receipts"
    _await(lambda: len(workload.acknowledged(receipts)) >= trial["times"])
    return {"network": len(workload.acknowledged(receipts))}


def _carry(folder: Path, direct: Places, seed: int) -> None:
    with proxy.between(int(direct.objects.endpoint.rpartition(":")[2]), RATIO, seed) as carrier:
        hidden = folder / f".{PORT}"
        hidden.write_text(str(carrier.port))
        hidden.rename(folder / PORT)
        _await((folder / CALM).exists)
        (folder / DID).write_text(json.dumps(carrier.did))


def _await(is_so: Callable[[], bool]) -> None:
    until_s = monotonic() + LIMIT_S
    while not is_so() and monotonic() < until_s:
        Event().wait(0.1)


class Database:
    """A PostgreSQL of the trial's own: others would suffer with the stack's."""

    def __init__(self, folder: Path) -> None:
        """Make its files; on entering the `with` block it starts."""
        folder.chmod(0o711)  # root lends it to another account, which has to come here
        self._stack = Stack.create(folder)
        self._server = postgres.server(self._stack)
        postgres.prepare(self._stack)

    def __enter__(self) -> Self:
        self.start()
        postgres.make_databases(self._stack, {name: self._stack.passwords[name] for name in DATABASES})
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it serves."""
        with (Path(self._stack.folder) / "postgres.log").open("ab") as said:
            self._process = subprocess.Popen(
                self._server.command, env=self._server.environment, stdout=said, stderr=said
            )
        until_s = monotonic() + self._server.start_s
        while True:
            try:
                return self._server.answers()
            except psycopg.OperationalError:
                if monotonic() > until_s:
                    raise
                Event().wait(0.1)

    def stop(self) -> None:
        """At once, as `pg_ctl stop -m immediate`: the next start recovers."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()

    def places(self, given: Places) -> Places:
        """The same places with this server's databases."""
        urls = {f"{name}_url": self._stack.database(name) for name in DATABASES}
        return msgspec.structs.replace(given, **urls)

    def owner(self) -> psycopg.Connection:
        """A connection that may end others'."""
        return servers.owner(self._stack)


TROUBLES = {"terminate": _terminate, "restart": _restart, "outage": _outage}
TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN ('catalog', 'control') LIMIT 1"""
