"""The mutants fit the product as it stands, and one that lives is not taken for caught."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import mutants
from benchmarks.mutant_table import MUTANTS, Edit, Mutant
from benchmarks.mutants import REPOSITORY, carry_out, chosen, copy_tree, main, replaced, require_green
from catalog.errors import BadInput

NAMES = """
    no fsync; no directory fsync; lazy fsync; stock file I/O in the lake; no lock; library retry left on;
    property-only commit; dedup that sees entries >= n; checkpoint before commit;
    an actor that only reruns its constructor; blind retry after an unknown error;
    reload through the same connection; eviction while deciding; orphan sweep by age;
    segment name used again; create-then-lock; no tombstone; trust for ever; taken is ours;
    amendment after one death; verify that trusts the ledger;
    published segment that comes back; curated table built from later commits;
    joined clusters that stay apart; a day's numbers of its own event date alone;
    a table that is no served view; a table function let through;
    a masked column through an alias; inflated bytes not counted; events of a batch not counted;
    a phone number left in the text; a local time taken for UTC; another source's event is answered;
    a stale build; a pseudonym key made anew; a raw file written over; a plan of any size;
    segments planned by name; one look at the ends; segments decide between bytes; refused from memory;
    a raw file that nobody names; a raw manifest written over; a raw frame written twice;
    half of what was learned; a commit left out of the stream; an original that nobody noted;
    all queries of a key at once; decimals divided as doubles; stored though refused;
    no complaint since nobody judged it; an old decision for a corrected record;
    texts that are no complaints in a cluster
"""
ISOLATE = "tests/actors/worker/test_isolate.py"
CHEAP = ("amendment after one death", "segment name used again")


def test_every_promise_has_its_mutant() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names)
    assert {name.partition(",")[0] for name in names} >= {" ".join(each.split()) for each in NAMES.split(";")}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_replacement_fits_and_is_still_python(mutant: Mutant) -> None:
    assert mutant.edits
    assert mutant.tests
    for edit in mutant.edits:
        made = replaced(REPOSITORY, edit)
        if edit.file.endswith(".py"):
            compile(made, edit.file, "exec")


def test_every_test_named_is_there() -> None:
    tests = sorted({test for mutant in MUTANTS for test in mutant.tests})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *tests]
    found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_a_replacement_that_does_not_fit_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text("a = 1\na = 1\n")
    for old in ("a = 1\n", "b = 1\n"):
        with pytest.raises(BadInput, match="does not fit"):
            replaced(tmp_path, Edit("two.py", old, ""))


def test_a_name_brings_its_variants() -> None:
    assert [mutant.name for mutant in chosen("no lock")] == ["no lock", "no lock, lease"]
    with pytest.raises(BadInput, match="no such mutant"):
        chosen("no")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the product."""
    tree = tmp_path_factory.mktemp("tree")
    copy_tree(tree)
    return tree


def mutant(new: str, *tests: str) -> Mutant:
    edit = Edit("actors/worker/isolate.py", "DEATHS_TO_BLAME = 2\n", new)
    return Mutant("a name", "", (edit,), tests)


@pytest.mark.full
def test_only_failing_tests_catch_and_all_must_fail(tree: Path) -> None:
    twice = f"{ISOLATE}::test_a_death_that_does_not_come_twice_is_not_blamed"
    company = f"{ISOLATE}::test_what_dies_in_company_only_is_not_blamed"
    before = (tree / "actors/worker/isolate.py").read_text()

    lives = carry_out(tree, mutant("DEATHS_TO_BLAME = 3\n", twice))
    assert (lives.caught, lives.caught_by, lives.green) == (False, [], [twice])
    half = carry_out(tree, mutant("DEATHS_TO_BLAME = 1\n", twice, company))
    assert (half.caught, half.caught_by, half.green) == (False, [twice], [company])
    unreadable = carry_out(tree, mutant("DEATHS_TO_BLAME = \n", twice))
    assert (unreadable.caught, unreadable.caught_by) == (False, [])
    assert (tree / "actors/worker/isolate.py").read_text() == before


@pytest.mark.full
def test_running_out_of_time_counts_where_it_is_expected(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutants, "HANG_S", 0)
    hung = mutant("DEATHS_TO_BLAME = 1\n", ISOLATE)
    assert not carry_out(tree, hung).caught
    assert carry_out(tree, hung._replace(hangs=True)).caught


@pytest.mark.full
def test_tests_that_are_red_anyway_show_nothing(tree: Path) -> None:
    red = tree / "tests" / "test_red.py"
    red.write_text("def test_red() -> None:\n    assert False\n")
    with pytest.raises(BadInput, match="red without a mutant"):
        require_green(tree, ["tests/test_red.py"])


@pytest.mark.full
@pytest.mark.parametrize("name", CHEAP)
def test_a_mutant_is_caught_in_a_copy(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "reports" / "mutants.json"
    assert main(["--only", name, "--report", str(report)]) == 0
    document = json.loads(report.read_text())
    (wanted,) = chosen(name)
    (verdict,) = document["verdicts"]
    assert document["survivors"] == []
    assert verdict["caught_by"] == list(wanted.tests)
    assert f"| {name} |" in capsys.readouterr().out


@pytest.mark.full
def test_a_survivor_is_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    harmless = mutant("DEATHS_TO_BLAME = 3\n", f"{ISOLATE}::test_what_dies_in_company_only_is_not_blamed")
    monkeypatch.setattr(mutants, "MUTANTS", [harmless])
    report = tmp_path / "mutants.json"
    assert main(["--report", str(report)]) == 1
    assert json.loads(report.read_text())["survivors"] == ["a name"]
    assert "SURVIVES" in capsys.readouterr().out
    assert main(["--only", "another"]) == 2
