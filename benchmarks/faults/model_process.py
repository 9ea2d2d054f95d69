"""A sequencer of the model: the product's class in a greenlet that stops at every port call.

Where it stands is what its frames and fields hold; to stand there again, the same code is run from the last
boundary between two turns with the same answers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from greenlet import greenlet  # type: ignore[import-untyped]

from actors.sequencer import loop
from actors.sequencer.config import Ports, SequencerConfig
from actors.sequencer.sequencer import Sequencer
from benchmarks.faults.model_ports import (
    ModelLake,
    ModelLog,
    ModelMemory,
    ModelPlans,
    ModelWorkers,
    count,
    ledger_rows,
)
from benchmarks.faults.model_world import Call, Raised, Remembered, Rules, Table, World
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


FOR_EVER = "goes round for ever"


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
        ported: Any = Ports  # the model's ports have what the sequencer asks of them, and no more
        ports = ported(
            log=ModelLog(self._ask),
            plans=ModelPlans(self._ask, book),
            lake=self._lake,
            read_back=self._lake.read_back,
            workers=ModelWorkers(),
            memory=self._memory,
            clock=clock,
            rows=lambda plan, judged: judged,
            counts=count,
            ledger=ledger_rows,
            turns=(),
            last_turns=(),
            stopped={},
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
            loop.run(
                lambda: self._sequencer, CONFIG, clock, self._pause, until_idle=False, stopping=self._boundary
            )
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

    def lost(self, position: Position) -> Position:
        """In place of a position that comes again and again."""
        return self._position(position.standing, position.before, Ended(f"{FOR_EVER}, at {position.next}"))

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
