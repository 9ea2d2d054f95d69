"""The flow worker as a Ray actor, and the pool of them as the sequencer uses it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import cycle
from typing import Any

import pyarrow as pa
import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from actors.worker.config import WorkerConfig
from actors.worker.isolate import poisonous
from actors.worker.worker import Worker
from catalog.control.plans import Amendments, Plan
from catalog.errors import WorkerDied


class WorkerActor(Worker):
    """Gives a plan's rows in two parts: that they are done, which is small, and the rows themselves."""

    def pure_in_parts(self, plan: Plan, amendments: Amendments) -> tuple[int, pa.Table]:
        """The number of rows, and the rows, which go straight to the memory."""
        found = self.pure(plan, amendments)
        return found.num_rows, found


class RayWorkers:
    """Plans go round the workers; a worker that died is restarted by Ray and stays in the round."""

    def __init__(self, config: WorkerConfig, actors: list[Any]) -> None:
        self._config = config
        self._next = cycle(actors)

    def submit(self, plan: Plan, amendments: Amendments) -> Callable[[], ray.ObjectRef[pa.Table]]:
        """Start on a plan's rows; called, the answer waits until they are there and says where.

        Calling it raises WorkerDied when they will not come.
        """
        worker = next(self._next)
        return partial(_awaited, *worker.pure_in_parts.options(num_returns=2).remote(plan, amendments))

    def poisonous(self, plan: Plan, amendments: Amendments) -> list[tuple[str, int, str]]:
        """See `actors.worker.isolate.poisonous`."""
        return poisonous(self._config, plan, amendments)


def _awaited(done: ray.ObjectRef[int], rows: ray.ObjectRef[pa.Table]) -> ray.ObjectRef[pa.Table]:
    try:
        ray.get(done)
    except RayTaskError as failure:
        raise failure.cause from None
    except RayActorError:
        raise WorkerDied("a flow worker ended") from None
    except RayError as failure:
        raise WorkerDied("a plan's rows were lost", cause=type(failure).__name__) from None
    return rows
