"""Flow stages that some texts end, as a fault in a native library would; light, since a child imports it
for every question it is asked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa

from actors.worker.config import WorkerConfig
from benchmarks.faults.workload import POISON
from catalog.clock import SystemClock
from catalog.envelope import Located, Unreadable
from catalog.history import History
from catalog.log.local import LocalLog
from catalog.objects.folder import Folder
from catalog.raw import Raw
from cluster import wiring
from cluster.home import Home
from cluster.settings import Settings

DEATH = 66
"""Exit code of a process that a poisonous text ended."""


def worker(settings: Settings) -> WorkerConfig:
    """A worker that dies of poisonous texts."""
    return WorkerConfig(partial(history, settings.home), partial(stages, settings.home), settings.batch_rows)


def history(root: Path) -> History:
    """Where the frames are."""
    home = Home(root)
    return History(LocalLog(home.log, SystemClock()), Raw(Folder(home.raw)))


def stages(
    home: Path,
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
    return wiring.stages(home, bundle).pure(batch, crashed, unreadable)
