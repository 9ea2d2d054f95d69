"""Flow stages that some texts end, as a fault in a native library would; light, since a child imports it
for every question it is asked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

import pyarrow as pa

from actors.worker.config import WorkerConfig
from benchmarks.faults.workload import POISON
from catalog.envelope import Located, Unreadable
from cluster import wiring
from cluster.settings import Settings

DEATH = 66
"""Exit code of a process that a poisonous text ended."""


def worker(settings: Settings) -> WorkerConfig:
    """A worker that dies of poisonous texts."""
    return WorkerConfig(
        partial(wiring.open_history, settings), partial(stages, settings), settings.batch_rows
    )


def stages(
    settings: Settings,
    bundle: str,
    batch: Sequence[Located],
    crashed: frozenset[tuple[str, int]],
    unreadable: dict[tuple[str, int], Unreadable],
) -> pa.Table:
    """The flow's own; of poisonous texts not amended, some end the process and some raise."""
    for at in batch:
        if (at.segment, at.offset) not in crashed and at.envelope is not None:
            payload = at.envelope.payload
            if POISON.encode() in payload:
                if len(payload) % 2:
                    os._exit(DEATH)
                raise ValueError("a poisonous text")
    return wiring.stages(settings, bundle).pure(batch, crashed, unreadable)
