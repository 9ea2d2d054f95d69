"""Small files merged by the product's own turn beside Trino's `optimize`, over the same table on servers.

    BEEJAN_STACK=FOLDER python -m benchmarks.merging [--commits 64]

A table of so many commits of 100 rows over four partitions of one day is made twice, and merged once by each
of the two: seconds, processor seconds of whoever did it, files before and after. Trino is warm. It wants a
stack whose Trino has no tables yet.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import commit_time
from benchmarks.faults import process, servers
from benchmarks.faults.parts.outside_writer import trino
from benchmarks.faults.workload import settings
from catalog.control.plans import Plan
from catalog.lake import upkeep
from catalog.lake.commit import Lake
from catalog.lake.read import planned
from catalog.tables import EVENTS
from cluster import places
from cluster.settings import Settings, read
from cluster.stack import lifecycle
from cluster.wiring import bundle_in_force, stages
from pipelines import flow

CLOSED = date(9999, 1, 1)
OWN, TRINO = "own turn", "trino optimize"


def made(given: Settings, commits: int) -> Lake:
    """A table of so many small commits."""
    lake, before = Lake(places.places(given).lake), ""
    local = replace(Settings(), home=given.home / "rules")
    pure = stages(local, bundle_in_force(local)).pure
    for n in range(1, commits + 1):
        booked = dict.fromkeys(commit_time.CHANNELS, commit_time.ROWS // 4)
        plan = Plan(n, "log", "core-1", "0", n, (), booked).chained(before)
        rows = commit_time.judged(n, pure)
        lake.commit(EVENTS.name, n, flow.rows(plan, rows), before, plan.chain, flow.counts(plan, rows, {}))
        before = plan.chain
    return lake


def measured(given: Settings, commits: int, who: str, pid: int) -> dict[str, Any]:
    """What merging cost; `pid` is Trino's process."""
    lake = made(given, commits)
    files, began, used = _files(lake), 0.0, 0.0
    if who == OWN:
        began, used = time.perf_counter(), time.process_time()
        upkeep.compact(lake, EVENTS.name, CLOSED)
        took, used = time.perf_counter() - began, time.process_time() - used
    else:
        with closing(trino(given)) as client:
            cursor = client.cursor()
            cursor.execute(f"SELECT count(*), max(text) FROM lake.{EVENTS.name}").fetchall()
            began, used = time.perf_counter(), _cpu_s(pid)
            cursor.execute(f"ALTER TABLE lake.{EVENTS.name} EXECUTE optimize").fetchall()
            took, used = time.perf_counter() - began, _cpu_s(pid) - used
    numbers = {"seconds": round(took, 2), "processor_seconds": round(used, 2)}
    return {"who": who, **numbers, "files_before": files, "files_after": _files(lake)}


def _files(lake: Lake) -> int:
    return len(list(planned(lake.store.load(EVENTS.name))))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure both in turn, twice, and print a JSON document a line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--commits", type=int, default=64)
    commits: int = parser.parse_args().commits
    stack = servers.started()
    pid = next(each.pid for each in lifecycle.status(read()) if each.name == "trino")
    for who in (OWN, TRINO, TRINO, OWN):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with servers.ground(stack, folder, on_trino=True):
                work = partial(measured, settings(folder / "home"), commits, who, pid)
                with process.Child(folder, work) as child:
                    code = child.wait()
                    print(json.dumps(child.result) if code == 0 else (folder / "errors.txt").read_text())


if __name__ == "__main__":
    main()
