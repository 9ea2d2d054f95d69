"""The model holds the product's sequencer to its promises, and finds every promise that is taken away."""

from __future__ import annotations

from typing import Any

import pytest

from actors.sequencer.sequencer import Sequencer
from benchmarks.faults.model import explore
from benchmarks.faults.model_world import Rules, Scenario
from catalog.control.plans import Plan
from catalog.errors import CommitUnknown
from catalog.lake.commit import Head
from catalog.tables import EVENTS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario("alone, every fault", crashes=1, unknowns=1, deaths=1, sequencers=1),
        Scenario("alone, beside a writer", crashes=1, writer=True, sequencers=1),
        Scenario("two, a crash", crashes=1),
        Scenario("alone, a memory restarted", restarts=1, sequencers=1),
    ],
    ids=lambda scenario: scenario.name,
)
def test_every_interleaving_keeps_every_promise(scenario: Scenario) -> None:
    report = explore(scenario)
    assert report.violation is None
    assert report.exhausted
    assert report.complete > 0


class BlindRetry(Sequencer):
    """(a) After a lost answer it commits again without looking where the table is."""

    def _put(self, table: str, plan: Plan, rows: Any, counts: Any) -> bool:
        before = self._ports.plans.chain(plan.n - 1) or ""
        while True:
            try:
                self._ports.lake.commit(table, plan.n, rows, before, plan.chain, counts)
                return True
            except CommitUnknown:
                self._ports.lake.reconnect()


class RemembersTooEarly(Sequencer):
    """(b) The memory learns plan n before it is committed."""

    def _commit(self, plan: Plan, judged: Any, redelivered: dict[str, int]) -> bool:
        self._ports.memory.promote(plan.n, plan.chain)
        return super()._commit(plan, judged, redelivered)


class KeepsItsOwn(Sequencer):
    """(c) When a rival committed plan n, the memory keeps what was decided here."""

    def _follow(self) -> None:
        head = self._ports.lake.head(EVENTS.name)
        self._heal_ledger(head)
        for plan in self._ports.plans.after(self.commit_seq, head.commit_seq - self.commit_seq):
            self._promote(plan)


class NeverHeals(Sequencer):
    """(d) A plan committed without its ledger row stays so."""

    def _heal_ledger(self, head: Head) -> None:
        return


class TrustsItsConnection(Sequencer):
    """(g) After a lost answer it looks through the connection that lost it."""

    def _look_again(self, table: str, plan: Plan, unknown: CommitUnknown) -> None:
        return


LOST = Scenario("a lost answer", unknowns=1, sequencers=1)
BLAMED = Scenario("a blamed event", deaths=1)
RIVALS = Scenario("rivals")
WRITER = Scenario("rivals and a writer", writer=True)


@pytest.mark.parametrize(
    ("kind", "rules", "scenario", "found"),
    [
        (BlindRetry, Rules(commit_checks_seq=False), LOST, "commit_seq is 1 after 2 commits"),
        (RemembersTooEarly, Rules(), BLAMED, "differs from their rows"),
        (KeepsItsOwn, Rules(), BLAMED, "differs from their rows"),
        (NeverHeals, Rules(), Scenario("a crash", crashes=1, sequencers=1), "the ledger stands at 0"),
        (Sequencer, Rules(plans_have_a_key=False), WRITER, "in no plan, or in two"),
        (Sequencer, Rules(swap_is_guarded=False), RIVALS, "commit_seq is 1 after 2 commits"),
        (TrustsItsConnection, Rules(), LOST, "the ledger stands at 1"),
    ],
    ids=["blind", "early", "own", "unhealed", "unkeyed", "unguarded", "connection"],
)
def test_a_promise_taken_away_is_found(
    kind: type[Sequencer], rules: Rules, scenario: Scenario, found: str
) -> None:
    report = explore(scenario, kind, rules)
    assert report.violation is not None
    assert found in report.violation.what
    assert report.violation.trace
