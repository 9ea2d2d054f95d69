"""What was acknowledged survives a power cut, and the bench sees it when the product does not care."""

from __future__ import annotations

import itertools
import signal
from pathlib import Path

import pytest

from benchmarks.faults.bench import Trial
from benchmarks.faults.parts import power_cut
from tests.daily import some

pytestmark = pytest.mark.slow


def trial(**cut: object) -> Trial:
    """A home that is cut once, by default at the strictest; a slow machine reaches its failpoint too."""
    return {"seed": 7, "cuts": [{"seed": 7, "forget_all": True, "early_names": False, "after_s": 300, **cut}]}


@pytest.mark.parametrize("seed", some([1, 2], 1))
def test_nothing_acknowledged_is_lost_and_nothing_names_a_hole(seed: int, tmp_path: Path) -> None:
    given = next(power_cut.trials(seed))
    outcome = power_cut.run(given | {"cuts": given["cuts"][:2]}, tmp_path)
    assert outcome.findings == []
    assert outcome.hits["cuts"] == 2


@pytest.mark.parametrize("sabotage", [power_cut.no_sync, power_cut.lazy_sync, power_cut.no_folder_sync])
def test_a_writer_that_does_not_sync_is_found_out(sabotage: power_cut.Sabotage, tmp_path: Path) -> None:
    # No sequencer brings in what was written before the power goes.
    point = trial(failpoint="log.published:stop@6")
    outcome = power_cut.run(point, tmp_path, writer=sabotage, sequencer=signal.pause)
    lost = [found for found in outcome.findings if found.endswith("has 0 rows")]
    assert len(lost) > outcome.facts["receipts"][0] // 2 > 0


def test_tables_that_are_not_synced_are_found_out(tmp_path: Path) -> None:
    outcome = power_cut.run(
        trial(failpoint="commit.swapped:stop@2"), tmp_path, sequencer=power_cut.stock_files
    )
    assert outcome.hits["commit.swapped"] == 1
    assert outcome.findings


@pytest.mark.parametrize("point", ["log.published:stop@6", "commit.swapped:stop@2"])
def test_where_the_mutants_are_found_out_the_product_is_not(point: str, tmp_path: Path) -> None:
    assert power_cut.run(trial(failpoint=point), tmp_path).findings == []


def test_the_campaign_is_a_hundred_cuts_of_every_kind() -> None:
    cuts = list(itertools.chain.from_iterable(given["cuts"] for given in power_cut.trials(1)))
    assert len(cuts) == 100
    assert {(cut["forget_all"], "failpoint" in cut) for cut in cuts} == {
        *itertools.product((False, True), repeat=2)
    }
