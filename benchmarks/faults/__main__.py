"""`python -m benchmarks.faults`: run a part's campaign; exit code 1 on a finding, 2 for bad arguments."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.faults import bench
from catalog.errors import BadInput


def main() -> int:
    """Run what was asked for, and say in one line a part how it went."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults")
    parser.add_argument("--part", default="", help=f"one of {', '.join(bench.names())}; all when left out")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same trials")
    parser.add_argument("--trials", type=int, help="only the first so many, unjudged as a whole")
    parser.add_argument("--report", type=Path, help="JSON file; without it reports/faults-PART-SEED.json")
    given = parser.parse_args()
    found = 0
    for part in [given.part] if given.part else bench.names():
        report = given.report or Path("reports", f"faults-{part}-{given.seed}.json")
        try:
            document = bench.campaign(part, given.seed, report, given.trials)
        except BadInput as error:
            parser.error(str(error))
        found += len(document["findings"])
        print(f"{part}: {document['trials']} trials, {len(document['findings'])} findings, see {report}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
