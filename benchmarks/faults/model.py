"""Explicit-state model: the product's own sequencer, twice, in every interleaving of its port calls.

    python -m benchmarks.faults.model

Each sequencer runs in a greenlet that stops at every port call. Where it stands is the list of answers it
got since the last boundary between two turns, and its own fields there; the same code with the same answers
always goes on the same way, so a state is the world and two such positions. The scheduler explores every
order of calls, every lost answer, every crash, and the writer's steps, breadth first: the first trace that
breaks an invariant is a shortest one.
"""

from __future__ import annotations

import logging
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from greenlet import greenlet

from actors.sequencer import loop
from actors.sequencer.config import Ports, SequencerConfig
from actors.sequencer.sequencer import Sequencer
from benchmarks.faults.model_ports import (
    ModelFacts,
    ModelLake,
    ModelLog,
    ModelMemory,
    ModelPlans,
    ModelWorkers,
    count,
    ledger_rows,
)
from benchmarks.faults.model_rules import broken, unfinished, wrong_memory
from benchmarks.faults.model_world import (
    Call,
    Raised,
    Remembered,
    Rules,
    Scenario,
    Stores,
    Table,
    World,
    env_moves,
    first_world,
    has_work,
    is_at_once,
)
from catalog.control.plans import Amendments, Plan

CONFIG = SequencerConfig(
    bundle="b",
    code_version="c",
    plan_rows=2,
    plan_age_s=0.0,
    ahead=2,
    checkpoint_plans=2,
    poll_s=1.0,
    retry_s=2.0,
)


class Standing(NamedTuple):
    """A sequencer between two turns: all that its next turn can depend on."""

    started: bool
    commit_seq: int
    ahead: tuple[tuple[int, Any], ...]
    since_checkpoint: int
    known: Remembered
    pending: Any
    unseen: tuple[tuple[str, Table], ...]


def fresh(who: int, world: World) -> Standing:
    """A new process, whose memory stands at its checkpoint."""
    return Standing(False, 0, (), 0, world.saved[who], None, ())


class Boundary(NamedTuple):
    """Between two turns; `idle` when the last one found nothing to do."""

    standing: Standing
    idle: bool


class Ended(NamedTuple):
    """The sequencer stopped for good, which nothing in the model justifies."""

    why: str


class _Clock:
    """Stands still."""

    def now_us(self) -> int:
        return 0

    def elapsed_s(self) -> float:
        return 0.0


class Process:
    """One sequencer of class `kind` in its greenlet, from a standing on."""

    def __init__(
        self, kind: type[Sequencer], rules: Rules, book: dict[str, Plan], standing: Standing
    ) -> None:
        self._begun, self._idle = False, False
        self._lake = ModelLake(self._ask, standing.unseen, rules.commit_checks_seq)
        self._memory = ModelMemory(self._ask, standing.known, standing.pending)
        clock = _Clock()
        ports = Ports(
            log=ModelLog(self._ask),
            plans=ModelPlans(self._ask, book),
            lake=ModelFacts(self._lake, self._ask),
            workers=ModelWorkers(),
            memory=self._memory,
            clock=clock,
            rows=lambda plan, judged: judged,
            counts=count,
            ledger=ledger_rows,
            turns=(),
            pause=lambda seconds: None,
        )
        self._sequencer = _between_turns(kind)(CONFIG, ports)
        self._sequencer.stand(standing)
        self._greenlet = greenlet(lambda _: self._life(clock))

    def resume(self, answer: Any = None) -> Call | Boundary | Ended:
        """Let it run up to its next call or boundary."""
        found: Call | Boundary | Ended = self._greenlet.switch(answer)
        return found

    def place(self) -> Any:
        """Where it waits: fields, and of every frame its instruction and its variables. Two sequencers with
        one place go on alike; no loop of theirs that calls a port goes over anything twice, so that its
        variables tell how far it is."""
        frames, frame = [], self._greenlet.gr_frame
        while frame is not None:
            variables = tuple((name, frozen(value)) for name, value in frame.f_locals.items())
            frames.append((frame.f_code, frame.f_lasti, variables))
            frame = frame.f_back
        return self._standing(), tuple(frames)

    def _standing(self) -> Standing:
        memory, unseen = self._memory, tuple(sorted(self._lake.unseen.items()))
        standing: Standing = self._sequencer.standing(memory.known, memory.pending, unseen)
        return standing

    def _life(self, clock: _Clock) -> Ended:
        try:
            loop.run(self._sequencer, CONFIG, clock, self._pause, until_idle=False, stopping=self._boundary)
        except Exception as error:  # noqa: BLE001 - whatever ends a sequencer is what the model looks for
            return Ended(f"{type(error).__name__}: {error}")
        return Ended("the loop ended")

    def _ask(self, name: str, *args: Any) -> Any:
        answer = self._greenlet.parent.switch(Call(name, args))
        if isinstance(answer, Raised):
            raise answer.error("model")
        return answer

    def _pause(self, seconds: float) -> None:
        self._idle = seconds == CONFIG.poll_s

    def _boundary(self) -> bool:
        if self._begun:
            self._greenlet.parent.switch(Boundary(self._standing(), self._idle))
        self._begun = True
        return False


def _between_turns(kind: type[Sequencer]) -> Any:
    """The class, able to say where it stands between two turns and to begin there."""

    class Standable(kind):  # type: ignore[misc,valid-type]
        started = resumed = False

        def start(self) -> None:
            if not self.resumed:
                super().start()
            self.resumed, self.started = False, True

        def turn(self, drain: bool) -> bool:
            self.started = False
            done: bool = super().turn(drain)
            self.started = True
            return done

        def stand(self, at: Standing) -> None:
            self.commit_seq, self._ahead, self._since_checkpoint = (
                at.commit_seq,
                dict(at.ahead),
                at.since_checkpoint,
            )
            self.resumed = at.started

        def standing(self, known: Remembered, pending: Any, unseen: Any) -> Standing:
            ahead = tuple(sorted(self._ahead.items()))
            return Standing(
                self.started, self.commit_seq, ahead, self._since_checkpoint, known, pending, unseen
            )

    return Standable


def frozen(value: Any) -> Any:
    """A variable as a value; objects, whose fields the standing has, by their class."""
    if isinstance(value, Plan):
        return value.chain or value.created_us
    if isinstance(value, dict):
        return tuple(sorted((key, frozen(each)) for key, each in value.items()))
    if isinstance(value, list | tuple):
        return tuple(map(frozen, value))
    if value is None or isinstance(value, str | int | float | frozenset | Amendments):
        return value
    return type(value)


class Position:
    """Where a sequencer stands: the answers since a boundary, and what it does next."""

    __slots__ = ("answers", "before", "idle", "next", "number", "process", "standing")

    def __init__(
        self, number: int, standing: Standing, before: tuple[Any, ...], doing: Call | Ended | None
    ) -> None:
        self.number = number
        self.standing = standing
        self.before = before
        self.next = doing
        self.idle = doing is None
        self.answers: dict[Any, Position] = {}
        self.process: Process | None = None


class Positions:
    """All positions met, each reached by running the real code once."""

    def __init__(self, kind: type[Sequencer], rules: Rules) -> None:
        self._kind = kind
        self._rules = rules
        self._book: dict[str, Plan] = {}
        self._stood: dict[tuple[Standing, bool], Position] = {}
        self._placed: dict[Any, Position] = {}
        self._made = 0
        self.plans = self._book

    def at(self, standing: Standing, idle: bool = False) -> Position:
        """The position right at a boundary."""
        key = (standing, idle)
        if key not in self._stood:
            if idle:
                self._stood[key] = self._position(standing, (), None)
            else:
                process = Process(self._kind, self._rules, self._book, standing)
                self._stood[key] = self._reached(standing, (), process.resume(), process)
        return self._stood[key]

    def after(self, position: Position, answer: Any) -> Position:
        """The position that follows on an answer to the call that waits."""
        found = position.answers.get(answer)
        if found is None:
            before = (*position.before, answer)
            process = position.process
            position.process = None
            if process is None:
                process = Process(self._kind, self._rules, self._book, position.standing)
                process.resume()
                for earlier in position.before:
                    process.resume(earlier)
            found = self._reached(position.standing, before, process.resume(answer), process)
            position.answers[answer] = found
        return found

    def _reached(
        self, standing: Standing, before: tuple[Any, ...], what: Call | Boundary | Ended, process: Process
    ) -> Position:
        if isinstance(what, Boundary):
            return self.at(what.standing, what.idle)
        if isinstance(what, Ended):
            return self._position(standing, before, what)
        place = process.place()
        position = self._placed.get(place)
        if position is None:
            position = self._placed[place] = self._position(standing, before, what)
            position.process = process
        return position

    def _position(self, standing: Standing, before: tuple[Any, ...], doing: Call | Ended | None) -> Position:
        self._made += 1
        return Position(self._made, standing, before, doing)


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
        self._wrong: dict[int, str | None] = {}
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
            return self._report(choices, complete, True, rounds, "goes round for ever, nothing is done")
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
        return _State(world, tuple(self._settle(world, who, position) for who, position in enumerate(at)))

    def _settle(self, world: World, who: int, position: Position) -> Position:
        while isinstance(position.next, Call) and is_at_once(world, position.next):
            (effect,) = self._stores.effects(world, who, position.next)
            position = self._positions.after(position, effect.answer)
        return position

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
            if not position.before and (what := wrong_memory(state.world, position.standing.known)):
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
    Scenario("two crashes", crashes=2),
    Scenario("a lost answer and a crash", crashes=1, unknowns=1),
    Scenario("a dead worker, a lost answer", unknowns=1, deaths=1),
    Scenario("a dead worker, a crash", crashes=1, deaths=1),
    Scenario("the memory is restarted", restarts=1),
)


def main() -> None:
    """Explore every scenario, print what was seen, exit with 1 on a violation."""
    failed = False
    for scenario in SCENARIOS:
        begun_s = time.monotonic()
        report = explore(scenario)
        took_s = time.monotonic() - begun_s
        print(
            f"{scenario.name}: {report.states:,} states, {report.choices:,} choices, "
            f"{report.complete:,} complete, {took_s:.1f} s" + ("" if report.exhausted else ", not exhausted")
        )
        if report.violation:
            failed = True
            print(f"  {report.violation.what}", *report.violation.trace, sep="\n    ")
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
