"""The flow worker as a Ray actor, and the pool of them as the sequencer uses it."""

from __future__ import annotations

from itertools import cycle
from typing import Any, NamedTuple

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


class RayPending(NamedTuple):
    """Rows a worker is working on."""

    done: ray.ObjectRef[int]
    rows: ray.ObjectRef[pa.Table]

    def wait(self) -> None:
        """Until the rows are there. Raises WorkerDied when they will not come."""
        try:
            ray.get(self.done)
        except RayTaskError as failure:
            raise failure.cause from None
        except RayActorError:
            raise WorkerDied("a flow worker ended") from None
        except RayError as failure:
            raise WorkerDied("a plan's rows were lost", cause=type(failure).__name__) from None


class RayWorkers:
    """Plans go round the workers; a worker that died is restarted by Ray and stays in the round."""

    def __init__(self, config: WorkerConfig, actors: list[Any]) -> None:
        self._config = config
        self._next = cycle(actors)

    def submit(self, plan: Plan, amendments: Amendments) -> RayPending:
        """Start on a plan's rows."""
        return RayPending(*next(self._next).pure_in_parts.options(num_returns=2).remote(plan, amendments))

    def poisonous(self, plan: Plan, amendments: Amendments) -> list[tuple[str, int, str]]:
        """See `actors.worker.isolate.poisonous`."""
        return poisonous(self._config, plan, amendments)
