"""What the sequencer is built from: figures, and the ports through which it touches the world.

The same step functions run against these ports in the product, in the fault bench and in the model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from catalog.clock import Clock
from catalog.control.plans import Amendments, Plan, PlanStore
from catalog.errors import CorruptFrame
from catalog.lake.commit import Lake
from catalog.log.port import Log


class SequencerConfig(NamedTuple):
    """A plan is cut at `plan_rows` frames or about `plan_bytes` of the log, or when the oldest unplanned
    frame has waited `plan_age_s`.

    `ahead` plans are written and worked on before the first of them is committed; every
    `checkpoint_plans` commits the memory is checkpointed. `bundle` and `code_version` go into every plan.
    Idle, it looks again after `poll_s`; what fails is tried again after `retry_s`; told to stop, it goes on
    with what is durable for at most `drain_s`.
    """

    bundle: str
    code_version: str
    plan_rows: int
    plan_age_s: float
    ahead: int
    checkpoint_plans: int
    plan_bytes: int = 64 << 20
    poll_s: float = 0.05
    retry_s: float = 0.2
    drain_s: float = 20.0


Batch = Any
"""The undecided rows of a plan: a table, or a reference to one that only the memory follows."""
Pending = Callable[[], Batch]
"""Waits until a plan's rows are worked out. Raises WorkerDied when they will not be."""


class WorkersPort(Protocol):
    """The pool of flow workers. `poisonous` gives positions of frames that end a process."""

    def submit(self, plan: Plan, amendments: Amendments) -> Pending: ...
    def poisonous(self, plan: Plan, amendments: Amendments) -> list[tuple[str, int, str]]: ...


class MemoryPort(Protocol):
    """The memory of ids and near-duplicates (`actors.dedup`).

    `decide` gives the rows that stay, in order, and the redelivered events by channel. It raises
    MemoryBehind when plans before n are not in the memory, Unavailable while it is down. Between any two
    calls it may have been restarted: so `catch_up` says which plan its rows follow, and raises MemoryBehind
    when the memory is not there.
    """

    def decide(self, n: int, batch: Batch) -> tuple[pa.Table, dict[str, int]]: ...
    def drop(self, n: int) -> None: ...
    def promote(self, n: int, chain: str) -> None: ...
    def checkpoint(self) -> None: ...
    def position(self) -> tuple[int, str]: ...
    def reset(self) -> None: ...
    def catch_up(self, rows: pa.Table, after: int, seq: int, chain: str) -> None: ...


class Ports(NamedTuple):
    """Everything the sequencer touches.

    `read_back` gives what the memory needs of the table's rows of plans n to m, both included. `turns` are
    upkeep: each gets the commit_seq and says whether it did something; they run between commits, never
    beside one; `last_turns` come once, at an orderly end. `stopped` are the segments that cannot go on, and
    why.
    """

    log: Log
    plans: PlanStore
    lake: Lake
    read_back: Callable[[int, int], pa.Table]
    workers: WorkersPort
    memory: MemoryPort
    clock: Clock
    rows: Callable[[Plan, pa.Table], pa.Table]
    counts: Callable[[Plan, pa.Table, dict[str, int]], dict[str, dict[str, int]]]
    ledger: Callable[[Plan, dict[str, dict[str, int]]], pa.Table]
    turns: Sequence[Callable[[int], bool]]
    last_turns: Sequence[Callable[[int], object]]
    stopped: dict[str, CorruptFrame]
