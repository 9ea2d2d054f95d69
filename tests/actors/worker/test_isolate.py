"""The event that ends a process is found and quarantined; a chance kill blames nobody."""

import multiprocessing
import os
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from actors.dedup.dedup import Dedup
from actors.worker import isolate
from actors.worker.isolate import bisect
from actors.worker.local import LocalWorkers
from catalog.control.plans import Amendments, Plan, Range
from catalog.envelope import Located, Unreadable
from catalog.errors import Unavailable
from catalog.lake import read
from cluster import wiring
from cluster.checks import redecide_home, verify_home
from cluster.home import Home
from cluster.settings import Settings
from cluster.wiring import dedup_config, open_stores, run_sequencer, worker_config
from pipelines.stages.signature import similarities
from tests.homes import append, line, small


@pytest.mark.parametrize("poison", [set(), {0}, {6}, {2, 3}, {0, 1, 2, 3, 4, 5, 6}])
def test_bisection_names_exactly_the_poisonous(poison: set[int]) -> None:
    assert bisect(lambda first, last: bool(poison & set(range(first, last))), 7) == sorted(poison)


def test_what_dies_in_company_only_is_not_blamed() -> None:
    assert bisect(lambda first, last: last - first > 1, 8) == []


def test_a_death_that_does_not_come_twice_is_not_blamed() -> None:
    seen: set[tuple[int, int]] = set()

    def dies_once(first: int, last: int) -> bool:
        is_new = (first, last) not in seen
        seen.add((first, last))
        return is_new

    assert bisect(dies_once, 4) == []


def deadly(
    settings: Settings,
    bundle: str,
    batch: Sequence[Located],
    crashed: frozenset[tuple[str, int]],
    unreadable: dict[tuple[str, int], Unreadable],
) -> pa.Table:
    """The flow's stages, with a bug that ends the process on some texts and raises on others."""
    for at in batch:
        if at.envelope is not None and (at.segment, at.offset) not in crashed:
            if b"poison" in at.envelope.payload:
                os.abort()
            if b"bad luck" in at.envelope.payload:
                os.kill(os.getpid(), signal.SIGSEGV)
            if b"unthought of" in at.envelope.payload:
                raise ZeroDivisionError
    return wiring.stages(settings, bundle).pure(batch, crashed, unreadable)


def run_deadly(settings: Settings) -> None:
    config = worker_config(settings)._replace(stages=partial(deadly, settings))
    workers = LocalWorkers(config, Home(settings.home).state / "deciding")
    memory = Dedup(dedup_config(settings), similarities)
    run_sequencer(settings, workers, memory, True, lambda: False, lambda: False)


def run_elsewhere(settings: Settings) -> int | None:
    """The exit code of another process that runs it. Not of a fork: this one has threads, which may hold
    locks, and what goes wrong in a copy of it would be told in its name."""
    process = multiprocessing.get_context("spawn").Process(target=run_deadly, args=(settings,))
    process.start()
    process.join()
    return process.exitcode


def test_poison_is_quarantined_and_the_line_goes_on(tmp_path: Path) -> None:
    settings = small(tmp_path)
    texts = {1: "poison", 4: "unthought of", 5: "bad luck"}
    sent = append(settings, [line(i, texts.get(i, "")) for i in range(6)])
    deaths = 0
    while code := run_elsewhere(settings):
        assert code in (-signal.SIGABRT, -signal.SIGSEGV)
        deaths += 1
        assert deaths < 5
    assert deaths == 1  # the note of the plan at work spares the line a second one
    stores = open_stores(settings)
    rows = {row["event_id"]: row for row in read.rows(stores.lake(), "structured.events", 1, 99).to_pylist()}
    crashed = [i for i, name in enumerate(sent) if rows[name]["reason"] == "stage_crash"]
    assert crashed == sorted(texts)
    assert verify_home(stores).ok
    assert redecide_home(settings).ok


def test_a_machine_on_which_every_child_dies_blames_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small(tmp_path)
    append(settings, [line(i) for i in range(4)])
    stores = open_stores(settings)
    (segment,) = stores.log.segments()
    plan = Plan(1, "log", "b", "0", 1, (Range(segment.name, segment.start, segment.end, 4),), {"sms": 4})
    monkeypatch.setattr(isolate, "dies", lambda *_: True)
    with pytest.raises(Unavailable):
        isolate.poisonous(worker_config(settings), plan, Amendments())
