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
from catalog.lake.commit import Head
from catalog.log.port import Log


class SequencerConfig(NamedTuple):
    """A plan is cut at `plan_rows` frames or about `plan_bytes` of a segment, or when the oldest unplanned
    frame has waited `plan_age_s`.

    `ahead` plans are written and worked on before the first of them is committed; every
    `checkpoint_plans` commits the memory is checkpointed. `bundle` and `code_version` go into every plan.
    Idle, it looks again after `poll_s`; what fails is tried again after `retry_s`; told to stop, it goes on
    with what is durable for at most `drain_s`.
    """

    bundle: str
    code_version: str
    plan_rows: int = 5_000
    plan_age_s: float = 1.0
    plan_bytes: int = 64 << 20
    ahead: int = 4
    checkpoint_plans: int = 20
    poll_s: float = 0.05
    retry_s: float = 0.2
    drain_s: float = 20.0


class LakePort(Protocol):
    """The tables of facts (`catalog.lake`). `commit` says True when plan n was committed before."""

    def self_test(self) -> None: ...
    def check_history(self) -> None: ...
    def head(self, table: str) -> Head: ...
    def commit(
        self, table: str, n: int, rows: pa.Table, before: str, chain: str, counts: dict[str, dict[str, int]]
    ) -> bool: ...
    def reconnect(self) -> None: ...
    def rows(self, after: int, upto: int) -> pa.Table: ...


Pending = Any
"""The undecided rows of a plan, perhaps still being worked on: what `submit` gives and `decide` takes."""


class WorkersPort(Protocol):
    """The pool of flow workers. `poisonous` gives positions of frames that end a process."""

    def submit(self, plan: Plan, amendments: Amendments) -> Pending: ...
    def poisonous(self, plan: Plan, amendments: Amendments) -> list[tuple[str, int, str]]: ...


class MemoryPort(Protocol):
    """The memory of ids and near-duplicates (`actors.dedup`).

    `decide` gives the rows that stay, in order, and the redelivered events by channel. It raises
    WorkerDied when the pending rows died with their worker, MemoryBehind when plans before n are not in
    the memory, Unavailable while it is down. Between any two calls it may have been restarted: so
    `catch_up` says which plan its rows follow, and raises MemoryBehind when the memory is not there.
    """

    def decide(self, n: int, pending: Pending) -> tuple[pa.Table, dict[str, int]]: ...
    def drop(self, n: int) -> None: ...
    def promote(self, n: int, chain: str) -> None: ...
    def checkpoint(self) -> None: ...
    def position(self) -> tuple[int, str]: ...
    def reset(self) -> None: ...
    def catch_up(self, rows: pa.Table, after: int, seq: int, chain: str) -> None: ...


class Ports(NamedTuple):
    """Everything the sequencer touches. `turns` are upkeep: each gets (commit_seq, draining) and says
    whether it did something; they run between commits, never beside one. `stopped` are the segments that
    cannot go on, and why."""

    log: Log
    plans: PlanStore
    lake: LakePort
    workers: WorkersPort
    memory: MemoryPort
    clock: Clock
    rows: Callable[[Plan, pa.Table], pa.Table]
    counts: Callable[[Plan, pa.Table, dict[str, int]], dict[str, dict[str, int]]]
    ledger: Callable[[Plan, dict[str, dict[str, int]]], pa.Table]
    turns: Sequence[Callable[[int, bool], bool]]
    stopped: dict[str, CorruptFrame]
