"""Flow workers without any runtime: the pure stages run in the sequencer's own process, when asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from actors.worker.config import WorkerConfig
from actors.worker.isolate import poisonous
from actors.worker.worker import Worker
from catalog.control.plans import Amendments, Plan
from catalog.errors import WorkerDied


class LocalWorkers:
    """A pool of one. Since an event that ends the process would end it again at every start, the plan at
    work is noted in a file: found there at the next start, it is put to the test in isolation first."""

    def __init__(self, config: WorkerConfig, note: Path) -> None:
        self._config = config
        self._worker = Worker(config)
        self._note = note

    def submit(self, plan: Plan, amendments: Amendments) -> Callable[[], pa.Table]:
        """The plan's undecided rows, worked out when called."""
        return lambda: self._pure(plan, amendments)

    def poisonous(self, plan: Plan, amendments: Amendments) -> list[tuple[str, int, str]]:
        """(segment, offset, event id) of the plan's frames that end a process by themselves."""
        return poisonous(self._config, plan, amendments)

    def _pure(self, plan: Plan, amendments: Amendments) -> pa.Table:
        if self._noted() == plan.n:
            self._note.unlink()
            raise WorkerDied("the process ended over this plan before", n=plan.n)
        self._note.write_text(str(plan.n))
        try:
            return self._worker.pure(plan, amendments)
        finally:
            self._note.unlink()

    def _noted(self) -> int:
        try:
            text = self._note.read_text()
        except FileNotFoundError:
            return 0
        return int(text) if text.isdigit() else 0
