"""DuckDB over the lake's own files: each query sees the newest commit, in a process that can be ended."""

from __future__ import annotations

from collections.abc import Sequence
from queue import Empty, LifoQueue
from threading import Lock

import pyarrow as pa

from catalog import errors
from catalog.clock import Clock
from catalog.errors import BeejanError, Busy
from catalog.lake.commit import Lake
from catalog.lake.read import Snapshot, snapshots
from catalog.tables import COMPLAINTS, EVENTS, LEDGER
from serve_apps.query.engine import base
from serve_apps.query.engine.dialect import DIALECT, MACROS
from serve_apps.query.engine.port import Answer, Limits, Role, Value
from serve_apps.query.engine.process import Process
from serve_apps.query.engine.wire import Ask, Setup, Told
from serve_apps.query.views import sources, statements

SPECS = {spec.name: spec for spec in (EVENTS, COMPLAINTS, LEDGER)}

ERRORS: dict[str, type[BeejanError]] = {
    each.code: each for each in (errors.BadInput, errors.TooLarge, errors.TooSlow)
}


class DuckDb:
    """See `QueryEngine`. Takes the lake over: nobody else may use that object."""

    def __init__(
        self, lake: Lake, clock: Clock, memory_bytes: int = 512 << 20, processes: int = 2, wait_s: float = 5.0
    ) -> None:
        """Start `processes`, each with `memory_bytes`; more queries at once wait `wait_s`, or are Busy."""
        setup = [*base.schemas(SPECS.values()), *MACROS, *statements(DIALECT)]
        self._lake, self._clock, self._wait_s = lake, clock, wait_s
        self._setup = Setup(str(lake.store.warehouse), memory_bytes, setup)
        self._known: dict[str, Snapshot] = {}
        self._reading = Lock()
        self._free: LifoQueue[Process] = LifoQueue()
        for _ in range(processes):
            self._free.put(Process(self._setup, clock))
        self._processes = processes

    def query(self, sql: str, params: Sequence[Value], role: Role, limits: Limits) -> Answer:
        """See `QueryEngine`."""
        try:
            process = self._free.get(timeout=self._wait_s)
        except Empty:
            raise Busy("all query processes are at work", hint="wait a moment and ask again") from None
        try:
            process = self._usable(process)
            shown = self._snapshots()
            told = process.ask(Ask(_moved(process, shown), sql, list(params), role, *limits))
            process.shown = {name: each.location for name, each in shown.items()}
        finally:
            try:
                process = self._usable(process)
            finally:  # one that could not be replaced is tried again when its turn comes
                self._free.put(process)
        return _answer(told, shown)

    def close(self) -> None:
        """See `QueryEngine`; waits for the queries under way, and may be called again."""
        while self._processes:
            self._free.get().end()
            self._processes -= 1
        self._lake.close()

    def _usable(self, process: Process) -> Process:
        """This process, or another in its place."""
        if not process.spent:
            return process
        process.end()
        return Process(self._setup, self._clock)

    def _snapshots(self) -> dict[str, Snapshot]:
        with self._reading:
            self._known = snapshots(self._lake, tuple(SPECS), self._known)
            return self._known


def _moved(process: Process, shown: dict[str, Snapshot]) -> list[str]:
    return [
        base.view(SPECS[name], each)
        for name, each in shown.items()
        if process.shown.get(name) != each.location
    ]


def _answer(told: Told, shown: dict[str, Snapshot]) -> Answer:
    if told.error:
        raise ERRORS[told.error](told.message, hint=told.hint, **told.fields)
    tables = sources(frozenset(told.views)) or frozenset((EVENTS.name,))
    derived = COMPLAINTS.name
    seqs = (shown[name].source_seq if name == derived else shown[name].commit_seq for name in tables)
    return Answer(pa.ipc.open_stream(told.arrow).read_all(), min(seqs), told.truncated)
