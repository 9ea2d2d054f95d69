"""The bench itself: parts are found, campaigns go on where they were, and a finding is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import pytest

from benchmarks.faults import __main__ as command
from benchmarks.faults import bench
from benchmarks.faults.bench import Outcome, Trial
from catalog.errors import BadInput
from cluster.stack.stack import Stack


class Counting:
    """Nothing is attacked.

    Its second trial finds something; `ran` are the trials that were carried out.
    """

    def __init__(self) -> None:
        self.ran: list[int] = []

    def trials(self, seed: int) -> Iterator[Trial]:
        yield from ({"n": n, "seed": seed} for n in range(3))

    def run(self, trial: Trial, folder: Path) -> Outcome:
        assert list(folder.iterdir()) == []
        self.ran.append(trial["n"])
        return Outcome(["it broke"] if trial["n"] == 1 else [], {"point": 2}, {})

    def judge(self, outcomes: Sequence[Outcome]) -> list[str]:
        return [f"{len(outcomes)} outcomes judged"]


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Counting:
    part = Counting()
    monkeypatch.setattr(bench, "load", lambda name: part)
    return part


def test_a_report_says_what_was_run_and_found(part: Counting, tmp_path: Path) -> None:
    report = tmp_path / "reports" / "found.json"

    document = bench.campaign("counting", 4, report)

    assert document == json.loads(report.read_text())
    assert document["command"] == "python -m benchmarks.faults --part counting --seed 4"
    assert (document["seed"], document["trials"], document["hits"]) == (4, 3, {"point": 6})
    assert document["findings"] == ['{"n": 1, "seed": 4}: it broke', "3 outcomes judged"]


def test_an_interrupted_campaign_goes_on_where_it_was(part: Counting, tmp_path: Path) -> None:
    report = tmp_path / "found.json"

    bench.campaign("counting", 4, report, limit=2)
    with report.with_suffix(".jsonl").open("a") as journal:
        journal.write('{"trial": "torn')
    document = bench.campaign("counting", 4, report)

    assert part.ran == [0, 1, 2]
    assert (document["trials"], len(document["findings"])) == (3, 2)
    assert bench.campaign("counting", 4, report) == document


def test_a_part_of_a_campaign_is_not_judged_as_a_whole(part: Counting, tmp_path: Path) -> None:
    assert bench.campaign("counting", 4, tmp_path / "found.json", limit=1)["findings"] == []


def test_a_finding_is_an_exit_code(
    part: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "found.json"
    asked = ["faults", "--part", "counting", "--seed", "4", "--report", str(report), "--trials"]

    monkeypatch.setattr("sys.argv", [*asked, "1"])
    assert command.main() == 0
    monkeypatch.setattr("sys.argv", [*asked, "2"])
    assert command.main() == 1
    assert capsys.readouterr().out.splitlines()[1] == f"counting: 2 trials, 1 findings, see {report}"


def test_a_part_that_is_not_there_is_bad_input() -> None:
    with pytest.raises(BadInput):
        bench.load("nothing")


@pytest.mark.parametrize("stack", [None, Stack.create], ids=["embedded", "cluster"])
def test_a_part_of_another_profile_is_bad_input(
    stack: Callable[[Path], Stack] | None, tmp_path: Path
) -> None:
    part = "power_cut" if stack else "taken_over"

    with pytest.raises(BadInput):
        bench.campaign(part, 1, tmp_path / "found.json", 1, stack(tmp_path) if stack else None)


@pytest.mark.parametrize(
    ("name", "profile"), [(name, each) for name in bench.names() for each in bench.profiles(bench.load(name))]
)
def test_a_part_says_what_it_attacks_and_plans_the_same_trials_again(name: str, profile: str) -> None:
    part = bench.load(name)
    given = () if profile == "embedded" else (profile,)
    first = list(islice(part.trials(3, *given), 40))

    assert part.__doc__
    assert first == list(islice(part.trials(3, *given), 40))
    assert [json.loads(json.dumps(trial)) for trial in first] == first
    assert first
