"""From plan to row, once: plan, decide, commit, ledger, remember, each step safe to repeat.

    step        makes durable                    a crash right after it leaves
    1 plan      plan n in the control database   a plan that the next process decides
    2 decide    nothing                          nothing
    3 commit    rows and commit_seq = n          a committed plan without its ledger row
    4 ledger    the plan's counts                a committed, counted plan the memory lacks
    5 remember  a checkpoint, now and then       a checkpoint that is caught up from the table

Two sequencers may run at once: the primary key of the plans and the swap of the table decide.
"""

from __future__ import annotations

import logging

import pyarrow as pa

from actors.sequencer.config import Pending, Ports, SequencerConfig
from actors.sequencer.planning import Planner
from catalog.control.plans import Plan
from catalog.errors import (
    ChainBroken,
    CommitConflict,
    CommitGap,
    CommitUnknown,
    CorruptFrame,
    MemoryBehind,
    Unavailable,
    WorkerDied,
)
from catalog.failpoints import hit
from catalog.lake.commit import Head
from catalog.tables import EVENTS, LEDGER

CONFLICTS = 10
"""How often another writer may be faster before a plan waits."""
CATCH_UP_PLANS, CATCH_UP_FRAMES = 500, 100_000
"""So many plans, and about so many frames of theirs, are read back from the table at once: they are held in
memory."""

RESTORE = (
    "nothing was changed; bring back the control database and the table of the same moment "
    "(control.db, catalog.db and warehouse/ belong together), then run again"
)

log = logging.getLogger(__name__)


class Sequencer:
    """Decides and commits plans in order. `start` first, then `turn` for ever.

    Both raise Transient, Indeterminate or OSError when something they need is not there: `start` again then,
    and everything is read from what is durable.
    """

    def __init__(self, config: SequencerConfig, ports: Ports) -> None:
        self._config = config
        self._ports = ports
        self._planner = Planner(config, ports.log, ports.plans, ports.clock, ports.stopped)
        self._ahead: dict[int, Pending] = {}
        self._since_checkpoint = 0
        self.commit_seq = 0

    @property
    def stopped(self) -> list[CorruptFrame]:
        """What keeps single segments from going on."""
        return list(self._ports.stopped.values())

    def start(self) -> None:
        """Agree with what is durable before doing anything. Raises Stopped where it does not agree."""
        # 1. The catalog refuses stale commits, or nothing here is safe.
        self._ports.lake.self_test(self._ports.clock.now_us())
        if not self._ports.lake.check_history(EVENTS.name):
            log.warning("no snapshot of the table names its commit: was it maintained by hand?")
        # 2. Plans and table share one history.
        head = self._ports.lake.head(EVENTS.name)
        self._check_chain(head)
        # 3. What a crash left between commit and ledger, and between ledger and memory.
        self._heal_ledger(head)
        self._remember(head, forget_from=head.commit_seq + 1)
        self.commit_seq = head.commit_seq

    def turn(self, drain: bool) -> bool:
        """One round; True when something was done. `drain` plans whatever waits, however little."""
        recovered = self._planner.recover()
        planned = self._plan_ahead(drain)
        worked = self._work()
        kept = [turn(self.commit_seq) for turn in self._ports.turns]
        return recovered or planned or worked or any(kept)

    def finish(self) -> None:
        """An orderly end: derived tables are up to date, and the next start has little to read back."""
        for turn in self._ports.last_turns:
            turn(self.commit_seq)
        self._checkpoint()

    def _checkpoint(self) -> None:
        if self._since_checkpoint:
            self._ports.memory.checkpoint()
            self._since_checkpoint = 0

    def _plan_ahead(self, drain: bool) -> bool:
        planned = False
        while True:
            n = self._ports.plans.last() + 1
            if n > self.commit_seq + self._config.ahead or not self._planner.plan(n, drain):
                return planned
            planned = True

    def _work(self) -> bool:
        plans = self._ports.plans.after(self.commit_seq, self._config.ahead)
        for plan in plans:
            if plan.n not in self._ahead:
                self._submit(plan)
        if not plans:
            return False
        plan = plans[0]
        if plan.n == self.commit_seq + 1:
            self._carry_out(plan)
            return True
        raise CommitGap("a plan is missing from the control database", hint=RESTORE, n=self.commit_seq + 1)

    def _submit(self, plan: Plan) -> None:
        segments = [cut.segment for cut in plan.ranges]
        self._ahead[plan.n] = self._ports.workers.submit(plan, self._ports.plans.amendments(segments))

    def _carry_out(self, plan: Plan) -> None:
        decision = self._decide(plan)
        hit("decide.done")
        if decision is None or not self._commit(plan, *decision):
            self._follow()
        self._ahead = {n: pending for n, pending in self._ahead.items() if n > self.commit_seq}

    def _decide(self, plan: Plan) -> tuple[pa.Table, dict[str, int]] | None:
        """Step 2; None when a rival committed plan n meanwhile. Nothing is decided with less memory than
        plans 1 to n-1 left."""
        while True:
            try:
                if plan.n not in self._ahead:
                    self._submit(plan)
                return self._ports.memory.decide(plan.n, self._ahead[plan.n]())
            except WorkerDied as death:
                self._ahead.pop(plan.n, None)
                if not self._amend(plan):
                    raise Unavailable(death.message, hint="the plan is worked on again", n=plan.n) from None
            except MemoryBehind:
                head = self._ports.lake.head(EVENTS.name)
                if head.commit_seq >= plan.n:
                    return None
                self._remember(head, forget_from=plan.n)

    def _amend(self, plan: Plan) -> bool:
        """A worker died over this plan: blame an event only if it kills again, twice, in isolation. True when
        there was one."""
        amendments = self._ports.plans.amendments([cut.segment for cut in plan.ranges])
        found = self._ports.workers.poisonous(plan, amendments)
        for segment, offset, event_id in found:
            self._ports.plans.amend(segment, offset, event_id, "stage_crash", self._ports.clock.now_us())
            hit("amend.inserted")
        return bool(found)

    def _commit(self, plan: Plan, judged: pa.Table, redelivered: dict[str, int]) -> bool:
        """Steps 3 to 5; False when the rows of plan n in the table are not known to be ours."""
        counts = self._ports.counts(plan, judged, redelivered)
        if not self._put(EVENTS.name, plan, self._ports.rows(plan, judged), counts):
            return False
        self._ledger(plan, counts)
        self._promote(plan)
        return True

    def _ledger(self, plan: Plan, counts: dict[str, dict[str, int]]) -> None:
        """Step 4, under the ledger's own commit_seq, from the counts that the table carries for plan n."""
        self._put(LEDGER.name, plan, self._ports.ledger(plan, counts), counts)

    def _put(self, table: str, plan: Plan, rows: pa.Table, counts: dict[str, dict[str, int]]) -> bool:
        """Plan n is in the table afterwards. True when this very attempt put it there; False when it is
        there in some other way, by a rival or by an attempt whose answer was lost."""
        before = self._ports.plans.chain(plan.n - 1)
        if before is None:
            raise CommitGap("a plan is missing from the control database", hint=RESTORE, n=plan.n - 1)
        conflicts = 0
        while True:
            try:
                return not self._ports.lake.commit(table, plan.n, rows, before, plan.chain, counts)
            except CommitConflict:
                # Nothing of ours is in the table, and the next attempt looks where it is now. Of a table that
                # does not hold still the loop is told: it says so and waits.
                conflicts += 1
                if conflicts == CONFLICTS:
                    raise
            except CommitUnknown as unknown:
                self._look_again(table, plan, unknown)
                return False

    def _look_again(self, table: str, plan: Plan, unknown: CommitUnknown) -> None:
        """Through a new connection, since the old one may see what it failed to commit. Raises Unavailable
        when plan n is not in the table."""
        self._ports.lake.reconnect()
        if self._ports.lake.head(table).commit_seq < plan.n:
            cause = str(unknown.fields.get("cause", ""))
            raise Unavailable("a commit did not happen", n=plan.n, cause=cause) from None

    def _heal_ledger(self, head: Head) -> None:
        if self._ports.lake.head(LEDGER.name).commit_seq < head.commit_seq:
            (plan,) = self._ports.plans.after(head.commit_seq - 1, 1)
            self._ledger(plan, head.counts)

    def _promote(self, plan: Plan) -> None:
        """Step 5. The memory learns that plan n is committed; a checkpoint follows now and then."""
        self.commit_seq = plan.n
        try:
            self._ports.memory.promote(plan.n, plan.chain)
            self._since_checkpoint += 1
            if self._since_checkpoint >= self._config.checkpoint_plans:
                self._checkpoint()
        except (Unavailable, MemoryBehind):
            pass  # it lost its overlay: the next decision finds it behind and reads plan n back

    def _follow(self) -> None:
        """Plan n is committed, maybe with other rows than ours: forget ours, learn the table's."""
        head = self._ports.lake.head(EVENTS.name)
        self._check_chain(head)
        self._heal_ledger(head)
        self._remember(head, forget_from=self.commit_seq + 1)
        self.commit_seq = head.commit_seq

    def _remember(self, head: Head, forget_from: int) -> None:
        """Bring the memory to the table's commit_seq: what it has below `forget_from`, and the rows after
        that, read back."""
        self._ports.memory.drop(forget_from)
        seq, chain = self._ports.memory.position()
        if seq > head.commit_seq or self._ports.plans.chain(seq) != chain:
            self._ports.memory.reset()
            seq = 0
        while seq < head.commit_seq:
            upto = self._piece_after(seq, head.commit_seq)
            rows = self._ports.read_back(seq + 1, upto.n)
            self._ports.memory.catch_up(rows, seq, upto.n, upto.chain)
            seq = upto.n

    def _piece_after(self, seq: int, last: int) -> Plan:
        """The plan up to which rows are read back at once."""
        first, *more = self._ports.plans.after(seq, min(CATCH_UP_PLANS, last - seq))
        upto, frames = first, first.frames
        for plan in more:
            frames += plan.frames
            if frames > CATCH_UP_FRAMES:
                break
            upto = plan
        return upto

    def _check_chain(self, head: Head) -> None:
        chain = self._ports.plans.chain(head.commit_seq)
        if chain is None:
            raise ChainBroken(
                "the control database is older than the table",
                hint=RESTORE,
                table=head.commit_seq,
                control=self._ports.plans.last(),
            )
        if chain != head.chain:
            raise ChainBroken(
                "the control database and the table tell different histories", hint=RESTORE, n=head.commit_seq
            )
