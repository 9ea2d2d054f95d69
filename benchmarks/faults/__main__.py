"""`python -m benchmarks.faults`: run a part's campaign; exit code 1 on a finding, 2 for bad arguments."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.faults import bench, servers
from catalog.errors import BadInput
from cluster.settings import PROFILES


def main() -> int:
    """Run what was asked for, and say in one line a part how it went."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults")
    parser.add_argument("--part", default="", help=f"one of {', '.join(bench.names())}; all when left out")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same trials")
    parser.add_argument(
        "--profile", choices=PROFILES, default=PROFILES[0], help="where the trials' homes are"
    )
    parser.add_argument("--trials", type=int, help="only the first so many, unjudged as a whole")
    parser.add_argument(
        "--report", type=Path, help="JSON file; without it reports/faults-PART[-PROFILE]-SEED.json"
    )
    given = parser.parse_args()
    found = 0
    stack = servers.started() if given.profile != PROFILES[0] else None
    on = "-cluster" if stack else ""
    for part in [given.part] if given.part else _names(given.profile):
        report = given.report or Path("reports", f"faults-{part}{on}-{given.seed}.json")
        try:
            document = bench.campaign(part, given.seed, report, given.trials, stack)
        except BadInput as error:
            parser.error(str(error))
        found += len(document["findings"])
        print(f"{part}: {document['trials']} trials, {len(document['findings'])} findings, see {report}")
    return 1 if found else 0


def _names(profile: str) -> list[str]:
    return [name for name in bench.names() if profile in bench.profiles(bench.load(name))]


if __name__ == "__main__":
    sys.exit(main())
