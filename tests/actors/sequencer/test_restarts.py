"""A memory that is started again between two calls, unseen by its caller, costs a look at the table only."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from actors.dedup.config import DedupConfig
from actors.dedup.dedup import Decision, Dedup
from actors.sequencer import sequencer
from actors.sequencer.loop import LOOKS
from actors.sequencer.sequencer import CONFLICTS
from actors.worker.local import LocalWorkers
from catalog.errors import CommitConflict, Stopped
from catalog.lake import read
from catalog.lake.commit import Lake
from catalog.tables import EVENTS
from cluster import plain
from cluster.checks import ledger_home, redecide_home, verify_home
from cluster.home import Home
from cluster.wiring import dedup_config, open_stores, run_sequencer, worker_config
from pipelines.stages.signature import similarities
from tests.homes import append, line, run, small


class Restarted(Dedup):
    """Ends and runs its constructor again before it decides a plan for the first time."""

    def __init__(self, config: DedupConfig) -> None:
        self._config = config
        self.restarts = 0
        self._asked = 0
        super().__init__(config, similarities)

    def decide(self, n: int, batch: pa.Table) -> Decision:
        if n > self._asked:
            self._asked = n
            self.restarts += 1
            self.close()
            Dedup.__init__(self, self._config, similarities)
        return super().decide(n, batch)


def test_nothing_is_decided_with_less_memory(tmp_path: Path) -> None:
    settings = small(tmp_path, segment_bytes=1 << 20)  # one segment: plans are cut in the order of sending
    lines = [line(i, f"the same words for all of them, number {i % 5}" if i % 3 else "") for i in range(120)]
    append(settings, [*lines, *lines[20:100]])
    Home(tmp_path).state.mkdir(exist_ok=True)
    memory = Restarted(dedup_config(settings))
    workers = LocalWorkers(worker_config(settings), Home(tmp_path).state / "deciding")

    assert run_sequencer(settings, workers, memory, True, lambda: False, lambda: False)

    stores = open_stores(settings)
    ledger = ledger_home(stores)
    assert memory.restarts == ledger.commit_seq == 4
    assert (ledger.balanced, ledger.total["redelivered"]) == (True, 80)
    assert verify_home(stores).ok
    assert redecide_home(settings) == (True, 120, [])


def test_a_memory_that_comes_up_empty_is_filled_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small(tmp_path, segment_bytes=1 << 20)
    lines = [line(i) for i in range(300)]
    append(settings, lines)
    run(settings)
    shutil.rmtree(Home(tmp_path).state / "memory")
    append(settings, lines)
    pieces: list[int] = []

    def counted(*given: Any, **more: Any) -> pa.Table:
        pieces.append((found := rows(*given, **more)).num_rows)
        return found

    rows = read.rows
    monkeypatch.setattr(read, "rows", counted)
    monkeypatch.setattr(sequencer, "CATCH_UP_FRAMES", 120)
    run(settings)
    assert pieces == [100, 100, 100]
    ledger = ledger_home(open_stores(settings))
    assert (ledger.balanced, ledger.total["redelivered"]) == (True, 300)


def test_a_table_maintained_by_hand_is_told_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = small(tmp_path)
    append(settings, [line(1)])
    run(settings)
    assert caplog.messages == []

    stores = open_stores(settings)
    store = stores.lake().store
    store.load(EVENTS.name).append(EVENTS.arrow_schema.empty_table())
    table = store.load(EVENTS.name)
    numbered = [each.snapshot_id for each in table.snapshots()[:-1]]
    table.maintenance.expire_snapshots().by_ids(numbered).commit()

    append(settings, [line(2)])
    run(settings)
    assert [message for message in caplog.messages if "maintained by hand" in message]
    assert verify_home(stores).ok


def test_a_table_that_does_not_hold_still_is_told_and_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked, real = itertools.count(1), Lake.commit

    def overtaken(lake: Lake, *given: Any) -> bool:
        if next(asked) <= CONFLICTS:
            raise CommitConflict("another writer moved the table")
        return real(lake, *given)

    monkeypatch.setattr(Lake, "commit", overtaken)
    settings = small(tmp_path)
    append(settings, [line(1)])
    run(settings)

    assert [message for message in caplog.messages if "another writer moved the table" in message]
    assert verify_home(open_stores(settings)).ok


def test_a_file_that_stays_missing_is_a_matter_for_a_person(tmp_path: Path) -> None:
    settings = small(tmp_path)
    append(settings, [line(1)])
    run(settings)
    snapshot = open_stores(settings).lake().store.load(EVENTS.name).current_snapshot()
    assert snapshot is not None
    gone = Path(snapshot.manifest_list.removeprefix("file://"))
    gone.unlink()

    append(settings, [line(2)])
    turns = itertools.count()
    with pytest.raises(Stopped, match="a file that is named is gone") as told:
        plain.run(settings, True, lambda: next(turns) > 2 * LOOKS, lambda: False)
    assert gone.name in str(told.value)
