"""Mutants: the product broken on purpose, one promise at a time, and the tests that must see it.

    python -m benchmarks.mutants [--only NAME] [--report FILE]

The tree is copied, and mutant by mutant (`benchmarks.mutant_table`) its tests are run twice there, each time
in a process of their own: as the tree is, where all must be green, then with the mutant in it, where all must
be red. Exit code 1 when one survives, 2 when nothing was shown: a replacement that does not fit its file,
tests that are red without a mutant.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.mutant_table import MUTANTS, Edit, Mutant
from catalog.errors import BadInput

REPOSITORY = Path(__file__).parents[1]
HANG_S = 180
TESTS_FAILED = 1
"""pytest's exit code when tests ran and some failed; a module that cannot be imported gives another."""

FAILED = re.compile(r"^FAILED (.+?)(?: - (.*))?$", re.MULTILINE)


class Run(NamedTuple):
    """How pytest ended, None when it ran out of time, which tests failed and why, and all it said."""

    code: int | None
    failed: dict[str, str]
    said: str


class Verdict(NamedTuple):
    """`caught` when every test of the mutant went red, or when it hung where that counts."""

    name: str
    how: str
    caught: bool
    caught_by: list[str]
    why: list[str]
    """What those tests said, the first line of each."""
    green: list[str]
    """Tests that should have failed and did not."""
    seconds: float


def chosen(name: str) -> list[Mutant]:
    """The mutants of a name, with its variants (`name, variant`); all for an empty one. Raises BadInput."""
    found = [one for one in MUTANTS if not name or one.name == name or one.name.startswith(f"{name},")]
    if not found:
        raise BadInput("no such mutant", hint="; ".join(one.name for one in MUTANTS), name=name)
    return found


def copy_tree(target: Path) -> None:
    """What git has or would take, as it stands in the working tree."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        source, copy = REPOSITORY / name, target / name
        if source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
    where = _python(target, ["-c", "import catalog, tests; print(catalog.__file__, tests.__file__)"], 60)[1]
    if not all(Path(path).is_relative_to(target) for path in where.split()):
        raise BadInput("the copy's packages are not the ones imported", hint=where)


def replaced(tree: Path, edit: Edit) -> str:
    """The file's text with the edit made. Raises BadInput unless its old text is there exactly once."""
    text = (tree / edit.file).read_text()
    if text.count(edit.old) != 1:
        raise BadInput(
            "a mutant does not fit its file",
            hint="the product moved on: bring benchmarks/mutant_table.py along",
            file=edit.file,
            times=text.count(edit.old),
            old=edit.old,
        )
    return text.replace(edit.old, edit.new)


@contextmanager
def applied(tree: Path, mutant: Mutant) -> Iterator[None]:
    """The tree with the mutant in it. Raises BadInput where it does not fit."""
    before = {edit.file: (tree / edit.file).read_text() for edit in mutant.edits}
    try:
        for edit in mutant.edits:
            (tree / edit.file).write_text(replaced(tree, edit))
        yield
    finally:
        for file, text in before.items():
            (tree / file).write_text(text)


def run_tests(tree: Path, tests: Sequence[str], limit_s: int) -> Run:
    """Run these tests in the tree."""
    options = ["-m", "pytest", "-q", "-m", "", "-p", "no:cacheprovider", "--tb=short", "-rf"]
    code, said = _python(tree, [*options, *tests], limit_s)
    return Run(code, dict(FAILED.findall(said)), said)


def require_green(tree: Path, tests: Sequence[str]) -> None:
    """The tests pass without a mutant, or their red would say nothing. Raises BadInput."""
    run = run_tests(tree, tests, HANG_S)
    if run.code != 0:
        raise BadInput("tests are red without a mutant", hint=run.said[-4_000:])


def carry_out(tree: Path, mutant: Mutant) -> Verdict:
    """Apply one mutant, run its tests, take it back."""
    started_s = time.monotonic()
    with applied(tree, mutant):
        run = run_tests(tree, mutant.tests, HANG_S)
    hung = run.code is None
    red = {test: said for test in mutant.tests for name, said in run.failed.items() if _is_of(name, test)}
    green = [test for test in mutant.tests if test not in red]
    caught = mutant.hangs if hung else run.code == TESTS_FAILED and not green
    caught_by = [f"ran out of {HANG_S} s"] if hung else list(red)
    seconds = round(time.monotonic() - started_s, 1)
    return Verdict(mutant.name, mutant.how, caught, caught_by, list(red.values()), green, seconds)


def campaign(mutants: Sequence[Mutant]) -> list[Verdict]:
    """Every mutant in a copy of the tree, printed as it is judged."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = Path(folder).resolve()
        copy_tree(tree)
        for mutant in mutants:
            with applied(tree, mutant):
                pass
        proven: set[tuple[str, ...]] = set()
        verdicts = []
        print("| mutant | caught by | seconds |\n|---|---|---:|", flush=True)
        for mutant in mutants:
            if mutant.tests not in proven:
                require_green(tree, mutant.tests)
                proven.add(mutant.tests)
            verdict = carry_out(tree, mutant)
            verdicts.append(verdict)
            told = ", ".join(map(_short, verdict.caught_by)) if verdict.caught else "**SURVIVES**"
            if verdict.green:
                told += f" (green: {', '.join(map(_short, verdict.green))})"
            print(f"| {verdict.name} | {told} | {verdict.seconds} |", flush=True)
        return verdicts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants")
    parser.add_argument("--only", default="", help="one mutant by name, with its variants")
    parser.add_argument("--report", type=Path, help="JSON file")
    given = parser.parse_args(arguments)
    try:
        verdicts = campaign(chosen(given.only))
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    survivors = [verdict.name for verdict in verdicts if not verdict.caught]
    if given.report:
        given.report.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "command": "python -m benchmarks.mutants",
            "mutants": len(verdicts),
            "survivors": survivors,
            "verdicts": [verdict._asdict() for verdict in verdicts],
        }
        given.report.write_text(json.dumps(document, indent=1) + "\n")
    print(f"{len(verdicts) - len(survivors)} of {len(verdicts)} caught")
    return 1 if survivors else 0


def _python(tree: Path, arguments: Sequence[str], limit_s: int) -> tuple[int | None, str]:
    """Python in the tree: its exit code, None after `limit_s`, and what it said."""
    # No bytecode: a mutant of the same length, written within the same second, would not be seen.
    more = {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "400"}
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=tree,
            env=os.environ | more,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        code: int | None
        try:
            code = child.wait(limit_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if child.returncode is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        said.seek(0)
        return code, said.read()


def _is_of(failed: str, test: str) -> bool:
    return failed == test or failed.startswith(f"{test}[")


def _short(test: str) -> str:
    return test.removeprefix("tests/")


if __name__ == "__main__":
    sys.exit(main())
