"""Another engine's maintenance, by hand and in a loop, beside appends and kills: nothing lost or doubled.

Trino merges files, expires every snapshot but the last and removes orphans of the tables that the product
commits to and maintains itself. The tables lie where Trino may write, which a deployment does not grant.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import requests
from trino.auth import BasicAuthentication
from trino.dbapi import Connection, connect
from trino.exceptions import TrinoQueryError

from benchmarks.faults import check, process, workload
from benchmarks.faults.bench import Outcome, Trial
from catalog.tables import TABLES
from cluster import places
from cluster.settings import Settings

PROFILES = ("cluster",)
ON_TRINO = True
HOMES, EVENTS, KILLS = 10, 1_000, 5
"""Homes of a campaign, and in each so many events sent and processes killed."""
POINTS = (
    *("commit.loaded", "commit.staged", "commit.swapped", "ledger.staged", "ledger.swapped", "file.synced"),
    *("compact.staged", "compact.swapped", "expire.swapped", "orphans.listed", "orphans.moved"),
    *("rebuild.staged", "rebuild.swapped", "publish.manifest", "plan.inserted"),
)
GRACE_US = 900_000_000
"""As in the product: what another engine has written and not named yet stays so long."""
RETENTION = "7d"
"""Of orphans: the least Trino takes by itself. With less it removes what the product is about to name."""
FLOOR = {f"lake.{each}_min_retention": "0s" for each in ("expire_snapshots", "remove_orphan_files")}
WORK = (
    "optimize",
    "expire_snapshots(retention_threshold => '0s')",
    "remove_orphan_files(retention_threshold => '{retention}')",
)
ASK_S = 120.0
PAUSE_S = 0.2


def trials(seed: int, profile: str) -> Iterator[Trial]:
    """Home by home."""
    del profile
    rng = random.Random(seed)
    for _ in range(HOMES):
        its_seed = rng.randrange(1 << 30)
        yield {"events": EVENTS, "kills": KILLS, "retention": RETENTION, "seed": its_seed}


def run(trial: Trial, folder: Path) -> Outcome:
    """Lives that end at a failpoint each, beside the other engine; then alone to idle, and the reckoning."""
    rng = random.Random(trial["seed"])
    settings = workload.settings(folder / "home", plan_rows=100, segment_bytes=100_000)
    lines, receipts = workload.lines(trial["seed"], trial["events"]), folder / "receipts"
    send = partial(process.append, settings, lines, receipts=receipts, group=25)
    busily = partial(process.run_busily, settings, GRACE_US)
    findings: list[str] = []
    kills = 0
    if code := process.carry_out(folder, busily):  # makes the tables
        findings.append(f"a first run ended with {code}")
    with process.Child(folder, partial(maintain, settings, folder, trial["retention"])) as outside:
        for life in range(1, trial["kills"] + 1):
            upto = trial["events"] * life // trial["kills"]
            if code := process.carry_out(folder, partial(send, workload.unacknowledged(receipts, upto))):
                findings.append(f"sending ended with {code}")
            failpoint = f"{rng.choice(POINTS)}:kill@1"
            if (code := process.carry_out(folder, busily, failpoint)) not in (0, process.KILLED):
                findings.append(f"armed with {failpoint}, a run ended with {code}")
            kills += code == process.KILLED
        if code := process.carry_out(folder, busily):
            findings.append(f"beside another engine a run ended with {code}")
        (folder / STOP).touch()
        if code := outside.wait():
            findings.append(f"the other engine's client ended with {code}")
    done = Counter(json.loads((folder / DONE).read_text()))
    verdict = check.settle(folder, settings, lines, receipts, partial(process.run_busily, grace_us=GRACE_US))
    return Outcome(findings + verdict.findings, {"killed": kills, **done}, dict(verdict.facts))


def judge(outcomes: Sequence[Outcome], profile: str) -> list[str]:
    """The other engine really changed the tables, and processes died beside it."""
    del profile
    hits: Counter[str] = Counter()
    for outcome in outcomes:
        hits.update(outcome.hits)
    wanted = {"killed": HOMES * KILLS // 2, **{work.partition("(")[0]: HOMES for work in WORK}}
    return [f"{what} only {hits[what]} times" for what, least in wanted.items() if hits[what] < least]


STOP, DONE = "stop", "outside.json"


def maintain(settings: Settings, folder: Path, retention: str) -> None:
    """Statement after statement until told to stop; what was done, and what failed by its name, in a file."""
    done: Counter[str] = Counter()
    with closing(trino(settings)) as client:
        while not (folder / STOP).exists():
            for table in TABLES:
                for work in WORK:
                    name = work.partition("(")[0]
                    statement = f"ALTER TABLE lake.{table} EXECUTE {work.format(retention=retention)}"
                    try:
                        client.cursor().execute(statement).fetchall()
                        done[name] += 1
                    except TrinoQueryError as error:
                        done[f"{name} {error.error_name}"] += 1
                    (folder / DONE).write_text(json.dumps(done))
            Event().wait(PAUSE_S)


def trino(settings: Settings) -> Connection:
    """A client under the pipeline's name, who may lower Trino's own floors of retention."""
    given = places.read(settings.cluster).trino
    assert given is not None
    host, _, port = given.address.removeprefix("https://").rpartition(":")
    session = requests.Session()
    session.trust_env, session.verify = False, given.certificate
    made: Any = connect
    found: Connection = made(
        host=host,
        port=int(port),
        user="pipeline",
        http_scheme="https",
        auth=BasicAuthentication("pipeline", given.users["pipeline"]),
        http_session=session,
        request_timeout=ASK_S,
        session_properties=FLOOR,
    )
    return found
