"""Explicit-state model: the product's own sequencer, twice, in the interleavings of its port calls.

    python -m benchmarks.faults.model

A state is the world and where each sequencer stands. Every order of calls, lost answer, crash and step of
the writer is explored, breadth first, so that a trace that breaks an invariant is a shortest one. Calls
that commute with whatever could come before them take effect at once (`is_at_once`): they add no order.
"""

from __future__ import annotations

import logging
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from actors.sequencer import loop
from actors.sequencer.sequencer import Sequencer
from benchmarks.faults.model_process import FOR_EVER, Ended, Position, Positions, fresh
from benchmarks.faults.model_rules import broken, unfinished, wrong_memory
from benchmarks.faults.model_world import (
    Call,
    Remembered,
    Rules,
    Scenario,
    Stores,
    World,
    env_moves,
    first_world,
    has_work,
    is_at_once,
)
from catalog.control.plans import Plan


class Violation(NamedTuple):
    """What was broken, and the steps that lead there: a shortest trace."""

    what: str
    trace: tuple[str, ...]


class Report(NamedTuple):
    """What was explored: `complete` counts states in which everybody had finished."""

    states: int
    choices: int
    complete: int
    exhausted: bool
    violation: Violation | None


class _State(NamedTuple):
    world: World
    at: tuple[Position, ...]


class Explorer:
    """Every state that one scenario reaches."""

    def __init__(
        self, scenario: Scenario, kind: type[Sequencer] = Sequencer, rules: Rules | None = None
    ) -> None:
        self._scenario = scenario
        self._positions = Positions(kind, rules or Rules())
        self._stores = Stores(rules or Rules())
        self._numbers: dict[Any, int] = {}
        self._worlds: dict[World, int] = {}
        self._wrong: dict[Any, str | None] = {}
        self._queue: deque[tuple[int, _State]] = deque()
        self._came: list[tuple[int, int, Any]] = []
        self._edges: list[array[int]] = []

    def run(self, max_states: int = 10_000_000, give_up: Callable[[], bool] = lambda: False) -> Report:
        """Explore up to `max_states`, or until `give_up`; ends at the first violation."""
        scenario, choices, complete = self._scenario, 0, 0
        world = first_world(scenario)
        self._arrive(
            _State(world, tuple(self._positions.at(fresh(i, world)) for i in range(scenario.sequencers))),
            (-1, -1, ""),
        )
        while self._queue:
            if len(self._numbers) >= max_states or give_up():
                return Report(len(self._numbers), choices, complete, False, None)
            number, state = self._queue.popleft()
            if what := self._wrong_with(state):
                return self._report(choices, complete, False, number, what)
            goes_on = False
            for who, step, after in self._moves(state):
                choices += 1
                goes_on = goes_on or (who >= 0 and step != CRASH)
                self._edges[number].append(self._arrive(after, (number, who, step)))
            if not goes_on:
                complete += 1
                if what := unfinished(state.world, self._positions.plans):
                    return self._report(choices, complete, False, number, what)
        if (rounds := self._goes_round()) is not None:
            return self._report(choices, complete, True, rounds, FOR_EVER)
        return Report(len(self._numbers), choices, complete, True, None)

    def _moves(self, state: _State) -> Iterator[tuple[int, Any, _State]]:
        """(sequencer, step, state after it); -1 is the writer."""
        world, at = state
        for told, after in env_moves(world):
            yield -1, told, self._settled(after, at)
        for who, position in enumerate(at):
            call = position.next
            if call is None:
                if has_work(world, position.standing.commit_seq):
                    yield who, "looks again", self._at(world, at, who, self._positions.at(position.standing))
            elif isinstance(call, Call):
                for told, after, answer in self._stores.effects(world, who, call):
                    yield who, (call, told), self._at(after, at, who, self._positions.after(position, answer))
            if world.crashes and (position.before or position.idle):
                after = world._replace(crashes=world.crashes - 1)
                yield who, CRASH, self._at(after, at, who, self._positions.at(fresh(who, after)))

    def _at(self, world: World, at: tuple[Position, ...], who: int, position: Position) -> _State:
        return self._settled(world, (*at[:who], position, *at[who + 1 :]))

    def _settled(self, world: World, at: tuple[Position, ...]) -> _State:
        """What can go one way only, and what only its sequencer can notice, takes effect at once."""
        settled = list(at)
        for who in range(len(at)):
            been = set()
            while isinstance(call := settled[who].next, Call) and is_at_once(world, call):
                (effect,) = self._stores.effects(world, who, call)
                world, settled[who] = effect.world, self._positions.after(settled[who], effect.answer)
                if settled[who].number in been:
                    settled[who] = self._positions.lost(settled[who])
                been.add(settled[who].number)
        return _State(world, tuple(settled))

    def _arrive(self, state: _State, came: tuple[int, int, Any]) -> int:
        world = self._worlds.setdefault(state.world, len(self._worlds))
        key = (world, *(position.number for position in state.at))
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._numbers)
            self._queue.append((number, state))
            self._came.append(came)
            self._edges.append(array("l"))
        return number

    def _wrong_with(self, state: _State) -> str | None:
        world = self._worlds[state.world]
        if world not in self._wrong:
            self._wrong[world] = broken(state.world, self._positions.plans)
        if what := self._wrong[world]:
            return what
        for who, position in enumerate(state.at):
            if isinstance(position.next, Ended):
                return f"sequencer {NAMES[who]} ended: {position.next.why}"
            known = (world, position.standing.known)
            if known not in self._wrong:
                self._wrong[known] = wrong_memory(state.world, position.standing.known)
            if what := self._wrong[known]:
                return what
        return None

    def _goes_round(self) -> int | None:
        """A state on, or after, a cycle: every step of a correct system uses something up."""
        entering = [0] * len(self._edges)
        for after in self._edges:
            for number in after:
                entering[number] += 1
        ready = [0] if not entering[0] else []
        left = set(range(len(entering)))
        while ready:
            number = ready.pop()
            left.discard(number)
            for after_number in self._edges[number]:
                entering[after_number] -= 1
                if not entering[after_number]:
                    ready.append(after_number)
        return min(left, default=None)

    def _report(self, choices: int, complete: int, exhausted: bool, number: int, what: str) -> Report:
        trace = []
        while number > 0:
            number, who, step = self._came[number]
            trace.append(_told(who, step))
        violation = Violation(what, tuple(reversed(trace)))
        return Report(len(self._numbers), choices, complete, exhausted, violation)


CRASH = "crashes and starts again"
NAMES = "ABC"


def _told(who: int, step: Any) -> str:
    if isinstance(step, str):
        return step if who < 0 else f"{NAMES[who]} {step}"
    call, outcome = step
    shown = ", ".join(_shown(arg) for arg in call.args[:3])
    return f"{NAMES[who]} {call.name}({shown})" + (f": {outcome}" if outcome else "")


def _shown(arg: Any) -> str:
    if isinstance(arg, Plan):
        cuts = ", ".join(f"{cut.segment}[{cut.start}:{cut.stop}]" for cut in arg.ranges)
        return f"plan {arg.n}: {cuts}"
    return f"plans 1 to {arg.seq}" if isinstance(arg, Remembered) else str(arg)


def explore(
    scenario: Scenario, kind: type[Sequencer] = Sequencer, rules: Rules | None = None, **limits: Any
) -> Report:
    """Explore one scenario for a class of sequencer under the stores' rules."""
    logger = logging.getLogger(loop.__name__)
    level = logger.level
    logger.setLevel(logging.ERROR)  # thousands of simulated troubles
    try:
        return Explorer(scenario, kind, rules).run(**limits)
    finally:
        logger.setLevel(level)


SCENARIOS = (
    Scenario("alone beside a writer, every fault", 1, 1, 1, writer=True, sequencers=1),
    Scenario("two, two crashes", crashes=2),
    Scenario("two, a blamed event", deaths=1),
    Scenario("two, a lost answer and a crash", crashes=1, unknowns=1),
    Scenario("two, a memory restarted", restarts=1),
    Scenario("two beside a writer", writer=True),
)
LIMIT_S = 120.0


def main() -> None:
    """Explore every scenario within LIMIT_S, print what was seen, exit with 1 on a violation."""
    failed, begun_s = False, time.monotonic()
    for scenario in SCENARIOS:
        since_s = time.monotonic()
        report = explore(scenario, give_up=lambda: time.monotonic() - begun_s > LIMIT_S)
        print(
            f"{scenario.name}: {report.states:,} states, {report.choices:,} choices, "
            f"{report.complete:,} complete, {time.monotonic() - since_s:.1f} s"
            + ("" if report.exhausted else ", not exhausted"),
            flush=True,
        )
        if report.violation:
            failed = True
            print(f"  {report.violation.what}", *report.violation.trace, sep="\n    ")
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
