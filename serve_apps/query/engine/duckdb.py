"""DuckDB over the lake's own files: each query sees the newest commit, in a process that can be ended."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import pyarrow as pa

from catalog.clock import Clock
from catalog.lake.commit import Lake
from catalog.lake.read import Snapshot, snapshots
from catalog.tables import DERIVED, TABLES
from serve_apps.query.engine import base
from serve_apps.query.engine.dialect import MACROS
from serve_apps.query.engine.pool import Pool, Process
from serve_apps.query.engine.port import Answer, Gone, Limits, Role, Value, never
from serve_apps.query.engine.wire import Ask, Setup, Told, unfailed
from serve_apps.query.views import sources

CHILD = "serve_apps.query.engine.child"


class DuckDb:
    """See `QueryEngine`. Takes the lake over: nobody else may use that object."""

    def __init__(
        self, lake: Lake, clock: Clock, memory_bytes: int = 512 << 20, processes: int = 2, wait_s: float = 5.0
    ) -> None:
        """Start `processes`, each with `memory_bytes`; more queries at once wait `wait_s`, or are Busy."""
        made = [*base.schemas(TABLES.values()), *MACROS, *base.served()]
        setup = Setup(str(lake.store.warehouse), memory_bytes, made)
        self._lake = lake
        self._known: dict[str, Snapshot] = {}
        self._reading = Lock()
        self._pool = Pool(CHILD, setup, clock, processes, wait_s)

    def query(
        self, sql: str, params: Sequence[Value], role: Role, limits: Limits, gone: Gone = never
    ) -> Answer:
        """See `QueryEngine`."""
        with self._pool.one(gone) as process:
            shown = self._snapshots()
            told = process.ask(Ask(_moved(process, shown), sql, list(params), role, *limits), gone)
            process.shown = {name: each.location for name, each in shown.items()}
        return _answer(unfailed(told), shown)

    def warm(self) -> None:
        """See `QueryEngine`: the processes start with the engine."""

    def close(self) -> None:
        """See `QueryEngine`; waits for the queries under way, and may be called again."""
        self._pool.close()
        self._lake.close()

    def _snapshots(self) -> dict[str, Snapshot]:
        with self._reading:
            self._known = snapshots(self._lake, tuple(TABLES), self._known)
            return self._known


def _moved(process: Process, shown: dict[str, Snapshot]) -> list[str]:
    return [
        statement
        for name, each in shown.items()
        if process.shown.get(name) != each.location
        for statement in base.statements(TABLES[name], each)
    ]


def _answer(told: Told, shown: dict[str, Snapshot]) -> Answer:
    tables = sources(told.views)
    seqs = (shown[name].source_seq if name in DERIVED else shown[name].commit_seq for name in tables)
    return Answer(pa.ipc.open_stream(told.arrow).read_all(), min(seqs), told.truncated)
