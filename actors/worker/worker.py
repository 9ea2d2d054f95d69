"""The flow worker's logic: a plan in, one undecided row per frame out. It remembers nothing."""

from __future__ import annotations

import pyarrow as pa

from actors.worker.config import WorkerConfig
from catalog.control.plans import Amendments, Plan
from catalog.envelope import Unreadable
from catalog.errors import BeejanError, WorkerDied
from catalog.failpoints import hit
from catalog.history import History
from catalog.ids import payload_digest


class Worker:
    """Runs the pure stages over a plan's frames, `batch_rows` at a time."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        self._history: History | None = None
        self._stages = config.stages
        self._batch_rows = config.batch_rows

    def pure(self, plan: Plan, amendments: Amendments, first: int = 0, last: int | None = None) -> pa.Table:
        """The rows of the plan's frames [first, last), in plan order, as the pure stages leave them.

        Raises WorkerDied for whatever a stage raises: its words may quote a complaint, its type may not.
        """
        try:
            return self._pure(plan, amendments, first, last)
        except BeejanError:
            raise
        except Exception as error:  # noqa: BLE001 whatever an event makes a stage raise
            raise WorkerDied("a stage failed", n=plan.n, cause=type(error).__name__) from None

    def _pure(self, plan: Plan, amendments: Amendments, first: int, last: int | None) -> pa.Table:
        if self._history is None:
            # Not in the constructor: an actor whose constructor fails is not started again.
            self._history = self._config.history()
        history = self._history
        every = history.frames(plan, amendments)
        unreadable: dict[tuple[str, int], Unreadable] = {}
        for segment, offset, envelope in ((at.segment, at.offset, at.envelope) for at in every):
            if envelope is None:
                # Adjacent lost frames, at the offsets behind the first one's, share what is left of them all.
                known = unreadable.get((segment, offset - 1))
                unreadable[segment, offset] = known or Unreadable(
                    plan.created_us, payload_digest(history.remains(segment, offset))
                )
        frames = every[first:last]
        batches = [
            self._stages(
                plan.bundle, frames[begin : begin + self._batch_rows], amendments.crashed, unreadable
            )
            for begin in range(0, max(len(frames), 1), self._batch_rows)
        ]
        hit("decide.pure")
        return pa.concat_tables(batches).combine_chunks()
