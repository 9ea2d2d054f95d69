"""A sequencer that was stopped while it holds a database's lock does not stop the line."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from sqlalchemy import event

from actors.sequencer import lease
from benchmarks.faults import process
from catalog.control.plans import PlanStore
from cluster.checks import ledger_home, redecide_home, verify_home
from cluster.wiring import open_stores
from tests.homes import append, line, run, small

pytestmark = pytest.mark.slow


def stop_inside_the_plan() -> None:
    """SIGSTOP between a plan's INSERT and its COMMIT."""
    insert: Callable[..., None] = PlanStore._insert

    def stopping(store: PlanStore, connection: Any, plan: Any) -> None:
        insert(store, connection, plan)
        os.kill(os.getpid(), signal.SIGSTOP)

    PlanStore._insert = stopping  # type: ignore[method-assign]


def stop_inside_the_swap() -> None:
    """SIGSTOP between the catalog's UPDATE and its COMMIT, the second time: the first makes the tables."""
    commit_table: Callable[..., Any] = SqlCatalog.commit_table

    def stopping(catalog: SqlCatalog, *arguments: Any) -> Any:
        event.listen(catalog.engine, "commit", lambda _: os.kill(os.getpid(), signal.SIGSTOP))
        return commit_table(catalog, *arguments)

    SqlCatalog.commit_table = stopping  # type: ignore[method-assign]


@pytest.mark.parametrize("stop", [stop_inside_the_plan, stop_inside_the_swap])
def test_the_successor_ends_it_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: Callable[[], None]
) -> None:
    settings = small(tmp_path / "home")
    append(settings, [line(i) for i in range(120)])
    monkeypatch.setattr(lease, "SILENT_S", 2.0)

    def run_and_stop() -> None:
        stop()
        run(settings)

    with process.Child(tmp_path, run_and_stop) as first:
        assert first.wait() == process.STOPPED
        with process.Child(tmp_path, lambda: run(settings)) as second:
            assert second.wait() == 0
        assert first.wait() == process.KILLED
    stores = open_stores(settings)
    assert verify_home(stores).ok
    assert ledger_home(stores).total["accepted"] == 120
    assert redecide_home(settings).ok
