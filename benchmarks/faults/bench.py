"""The fault bench: parts that attack one promise each, run trial by trial, resumable, with one JSON report.

A part is a module in `benchmarks/faults/parts` (see `Part`). A trial gets an empty folder and gives an
`Outcome`; each outcome is a line in a journal beside the report, so that a campaign that was interrupted
goes on where it was.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import pkgutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

from benchmarks.faults import parts, servers
from catalog.errors import BadInput
from cluster.settings import PROFILES
from cluster.stack.stack import Stack

MEMORY = Path("/dev/shm")
"""Where trials run when it is there: nothing in them is about a disk unless a part says so."""

Trial = dict[str, Any]
"""Parameters that JSON can hold; the same trial does the same again, as far as processes can."""


class Outcome(NamedTuple):
    """What a trial found wrong, how often it hit what it aimed at, and what else was counted."""

    findings: list[str]
    hits: dict[str, int]
    facts: dict[str, Any]


class Part(Protocol):
    """One promise under attack; its module's docstring says which.

    PROFILES, where it has that, says where it attacks: without it a part is about local files. ON_TRINO says
    that its tables are Trino's, too. `trials` and `judge` of a part that knows several profiles take the
    profile as well, where it is not the embedded one.
    """

    __doc__: str | None

    @property
    def trials(self) -> Callable[..., Iterator[Trial]]:
        """The campaign of a seed, always the same."""
        ...

    def run(self, trial: Trial, folder: Path) -> Outcome:
        """Carry out one trial in an empty folder."""
        ...

    @property
    def judge(self) -> Callable[..., list[str]]:
        """What is wrong with a whole campaign, as a point that was hardly ever hit. A part may lack it."""
        ...


def names() -> list[str]:
    """Every part there is."""
    return sorted(module.name for module in pkgutil.iter_modules(parts.__path__))


def load(name: str) -> Part:
    """The part of a name. Raises BadInput for one that is not there."""
    if name not in names():
        raise BadInput("no such part", hint=f"one of {', '.join(names())}", part=name)
    return cast(Part, importlib.import_module(f"{parts.__name__}.{name}"))


def profiles(part: Part) -> tuple[str, ...]:
    """Where a part attacks."""
    return getattr(part, "PROFILES", PROFILES[:1])


def campaign(
    name: str, seed: int, report: Path, limit: int | None = None, stack: Stack | None = None
) -> dict[str, Any]:
    """Run what the journal does not have yet of the first `limit` trials (all), and write the report.

    On a stack's servers when one is given. Only a whole campaign is judged as one. Raises BadInput for a
    part that does not attack there.
    """
    part, profile = load(name), PROFILES[stack is not None]
    if profile not in profiles(part):
        raise BadInput("not a part of this profile", hint=f"it knows {', '.join(profiles(part))}", part=name)
    given = () if stack is None else (profile,)
    report.parent.mkdir(parents=True, exist_ok=True)
    journal = report.with_suffix(".jsonl")
    done = _done(journal)
    outcomes: list[Outcome] = []
    for trial in itertools.islice(part.trials(seed, *given), limit):
        key = json.dumps(trial, sort_keys=True)
        if key not in done:
            done[key] = carry_out(part, trial, stack)
            _note(journal, key, done[key])
        outcomes.append(done[key])
    findings = [found for outcome in outcomes for found in outcome.findings]
    if limit is None:
        findings += getattr(part, "judge", _no_judge)(outcomes, *given)
    hits: Counter[str] = Counter()
    for outcome in outcomes:
        hits.update(outcome.hits)
    document = {
        "command": f"python -m benchmarks.faults --part {name} --seed {seed}"
        + "".join(f" --profile {each}" for each in given),
        "part": name,
        "attacks": (part.__doc__ or "").strip().splitlines()[0],
        "seed": seed,
        "trials": len(outcomes),
        "seconds": round(sum(float(outcome.facts["seconds"]) for outcome in outcomes), 1),
        "findings": findings,
        "hits": dict(sorted(hits.items())),
    }
    report.write_text(json.dumps(document, indent=1) + "\n")
    return document


def carry_out(part: Part, trial: Trial, stack: Stack | None = None) -> Outcome:
    """One trial in a folder of its own, which is removed; its findings name the trial."""
    where, started_s = MEMORY if MEMORY.is_dir() else None, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-", dir=where) as folder:
        on_trino = getattr(part, "ON_TRINO", False)
        with servers.ground(stack, Path(folder), on_trino) if stack else contextlib.nullcontext():
            outcome = part.run(trial, Path(folder))
        facts, said = dict(outcome.facts), Path(folder, "errors.txt")
        if outcome.findings and said.exists():
            facts["said"] = said.read_text()[-8_000:]
    facts["seconds"] = round(time.monotonic() - started_s, 2)
    findings = [f"{json.dumps(trial, sort_keys=True)}: {found}" for found in outcome.findings]
    return Outcome(findings, outcome.hits, facts)


def _no_judge(outcomes: Sequence[Outcome], *profile: str) -> list[str]:
    del outcomes, profile
    return []


def _done(journal: Path) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    if journal.exists():
        for line in journal.read_text().splitlines():
            with contextlib.suppress(json.JSONDecodeError):  # the line at which it was interrupted
                entry = json.loads(line)
                found[entry["trial"]] = Outcome(entry["findings"], entry["hits"], entry["facts"])
    return found


def _note(journal: Path, key: str, outcome: Outcome) -> None:
    with journal.open("a") as file:
        file.write(json.dumps({"trial": key, **outcome._asdict()}) + "\n")
