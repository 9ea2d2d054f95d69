"""Power cuts: what was acknowledged before one is in the warehouse after it, once, and nothing names a hole.

A home on the file system that forgets: a writer acknowledges into a file outside, a sequencer works beside
it with segments, plans and upkeep so small that all of them happen within a second. The power goes at a
random moment or at a random failpoint, everybody is killed, the disk shows what it had, and a fresh run
must bring the home to rest. The next cut comes on top of what that left.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from benchmarks.faults.powercut import PowerCut
from catalog import failpoints, ids

CUTS = 100
CUTS_A_HOME = 4
LINES = 4_000
PATIENCE_S = 60.0
SETTINGS = {
    "BEEJAN_SEGMENT_BYTES": "12000",
    "BEEJAN_PLAN_ROWS": "40",
    "BEEJAN_PLAN_AGE_S": "0.02",
    "BEEJAN_CHECKPOINT_PLANS": "2",
    "BEEJAN_MIN_FREE_BYTES": "0",
}
COMMANDS = ("verify", "ledger", "redecide")

_fork = multiprocessing.get_context("forkserver")


class Outcome(NamedTuple):
    findings: list[str]
    hits: dict[str, int]
    facts: dict[str, Any]


def trials(seed: int) -> Iterator[dict[str, Any]]:
    rng = Random(f"power_cut/{seed}")
    for number in range(CUTS // CUTS_A_HOME):
        cuts = [_cut(rng) for _ in range(CUTS_A_HOME)]
        yield {"name": f"{seed}/{number}", "seed": rng.getrandbits(32), "cuts": cuts}


def _cut(rng: Random) -> dict[str, Any]:
    cut: dict[str, Any] = {
        "seed": rng.getrandbits(32), "forget_all": rng.random() < 0.3, "early_names": rng.random() < 0.5
    }  # fmt: skip
    if rng.random() < 0.5:
        return cut | {"after_s": round(rng.uniform(0.1, 1.5), 3)}
    names = [name for name in failpoints.REGISTRY if name != "amend.inserted"]
    return cut | {"at": rng.choice(names), "hit": rng.randint(1, 8)}


def lines(seed: int, count: int) -> list[bytes]:
    rng = Random(f"lines/{seed}")
    made: list[bytes] = []
    for number in range(count):
        if made and rng.random() < 0.1:
            made.append(rng.choice(made))
            continue
        text = f"no signal in {rng.choice(('Nyabugogo', 'Kimironko', 'Remera'))} since {rng.randint(1, 400)}"
        at = f"2024-01-0{rng.randint(1, 3)}T10:00:00Z"
        name = f"{seed}-{number if rng.random() > 0.05 else rng.randint(0, number)}"
        payload: dict[str, Any] = {"id": name, "text": text, "event_time": at}
        if rng.random() < 0.05:
            payload["text"] = None
        channel = rng.choice(("sms", "social"))
        made.append(json.dumps({"channel": channel, "source": f"{channel}-a", "payload": payload}).encode())
    return made


def product(
    arguments: Sequence[str], settings: dict[str, str], out: Path, prepare: Callable[[], None] | None
) -> None:
    """The command, in this process; standard output is appended to `out`, standard error beside it."""
    os.environ.update(settings)
    for path, target in ((out, 1), (out.with_suffix(".err"), 2)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(opened, target)
    sys.argv = ["beejan", *arguments]
    from cluster import cli

    if prepare is not None:
        prepare()
    cli.main()


def brisk() -> None:
    """Every turn of upkeep within a few commits, small groups at the door."""
    from catalog.lake import upkeep
    from cluster import cli
    from pipelines import maintain

    cli.APPEND_LINES = 25
    maintain.EXPIRE_COMMITS, maintain.COMPACT_COMMITS, maintain.SWEEP_COMMITS = 4, 5, 7
    upkeep.KEEP_SNAPSHOTS = 3
    upkeep.expire = partial(upkeep.expire, keep=3, grace_us=0)
    upkeep.compact = partial(upkeep.compact, min_files=3)
    upkeep.sweep_orphans = partial(upkeep.sweep_orphans, grace_us=0)


def census(home: Path, out: Path) -> None:
    """Ids of the table's rows, and every file that a snapshot names and nobody has."""
    from catalog.lake import read
    from catalog.lake.commit import Lake
    from catalog.tables import TABLES

    lake = Lake(home)
    absent = []
    for name in TABLES:
        table = lake.store.load(name)
        named = {entry.metadata_file for entry in table.metadata.metadata_log}
        for snapshot in table.metadata.snapshots:
            named.add(snapshot.manifest_list)
            for manifest in snapshot.manifests(table.io):
                named.add(manifest.manifest_path)
                entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
                named |= {entry.data_file.file_path for entry in entries}
        absent += [path for path in named if not Path(path.removeprefix("file://")).exists()]
    rows = read.table_ids(lake).rows["event_id"].to_pylist()
    out.write_text(json.dumps({"rows": rows, "absent": sorted(absent)}))


def start(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    _fork.set_forkserver_preload(PRELOAD)
    process = _fork.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


PRELOAD = [__name__, "cluster.plain", "cluster.checks", "cluster.cli"]


def finish(process: BaseProcess, patience_s: float = PATIENCE_S) -> int | None:
    process.join(patience_s)
    code = process.exitcode
    process.kill()
    process.join()
    return code


def acknowledged(receipts: Path) -> list[str]:
    text = receipts.read_text() if receipts.exists() else ""
    return [json.loads(line)["event_id"] for line in text.splitlines(keepends=True) if line.endswith("\n")]


def run(trial: dict[str, Any], folder: Path, prepare: Callable[[], None] = brisk) -> Outcome:
    findings: list[str] = []
    hits: Counter[str] = Counter()
    facts: dict[str, Any] = {"cuts": []}
    mountpoint = folder / "disk"
    mountpoint.mkdir()
    sent = lines(trial["seed"], LINES)
    with PowerCut() as power:
        power.start(mountpoint)
        for number, cut in enumerate(trial["cuts"]):
            began = time.monotonic()
            seen = folder / f"cut-{number}"
            seen.mkdir()
            found = once(power, mountpoint / "home", cut, sent, seen, prepare, hits)
            facts["cuts"].append(found[1] | {"seconds": round(time.monotonic() - began, 2)})
            findings += [f"cut {number}: {each}" for each in found[0]]
            if found[0]:
                break
    return Outcome(findings, dict(hits), facts)


def once(power, home, cut, sent, seen, prepare, hits):
    settings = SETTINGS | {"BEEJAN_HOME": str(home)}
    point = {"BEEJAN_FAILPOINT": f"{cut['at']}:stop@{cut['hit']}"} if "at" in cut else {}
    written = seen / "lines"
    rng = Random(cut["seed"])
    first = rng.randrange(len(sent))
    written.write_bytes(b"\n".join(sent[first:] + sent[:first]) + b"\n")
    t0 = time.monotonic()
    writer = start(product, ["append", str(written)], settings | point, seen / "receipts", prepare)
    runner = start(product, ["run", "--runtime", "plain"], settings | point, seen / "run", prepare)
    processes = (writer, runner)
    if "at" in cut:
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline and not any(stopped(p) for p in processes):
            time.sleep(0.005)
        if any(stopped(p) for p in processes):
            hits[cut["at"]] += 1
    else:
        time.sleep(cut["after_s"])
        hits["moment"] += 1
    power.cut(cut["seed"], forget_all=cut["forget_all"], early_names=cut["early_names"])
    for process in processes:
        process.kill()
        process.join()
    t1 = time.monotonic()
    power.restore()
    known = acknowledged(seen / "receipts")
    findings = []
    code = finish(start(product, ["run", "--runtime", "plain", "--until-idle"], settings, seen / "idle", prepare))
    t2 = time.monotonic()
    if code != 0:
        findings.append(f"run to idle: exit {code}: {(seen / 'idle.err').read_text()[-600:]}")
    children = [start(product, [c, "--json"], settings, seen / c, None) for c in COMMANDS]
    children.append(start(census, home, seen / "census"))
    codes = [finish(each) for each in children]
    t3 = time.monotonic()
    for command, code in zip((*COMMANDS, "census"), codes):
        if code != 0:
            findings.append(f"{command}: exit {code}")
            for f in (seen / command, (seen / command).with_suffix(".err")):
                if f.exists(): findings.append(f.read_text()[-1000:])
    if codes[-1] == 0:
        c = json.loads((seen / "census").read_text())
        rows = set(c["rows"])
        lost = sorted(set(known) - rows)
        if lost: findings.append(f"{len(lost)} of {len(known)} acknowledged are lost: {lost[:3]}")
        if c["absent"]: findings.append(f"absent: {c['absent'][:3]}")
    led = (seen / "ledger").read_text()[:200]
    return findings, {"acknowledged": len(known), "t": [round(t1 - t0, 2), round(t2 - t1, 2), round(t3 - t2, 2)], "ledger": led, "cut": cut, "idle": (seen/'idle.err').read_text()[-300:]}


def stopped(process) -> bool:
    try:
        return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except FileNotFoundError:
        return True
