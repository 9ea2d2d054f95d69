"""Recovery as timelines: whatever happens between two plans, the rows are those of a run without trouble."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from actors.dedup.dedup import REMEMBERED
from catalog import failpoints
from catalog.errors import MemoryBehind
from tests.actors.dedup.streams import Event, Warehouse, batch, cut, decided, random_events, run_straight

TEXT = "the network is down in my whole street since monday please send somebody to fix it"
A, B, C = (
    [Event("a", TEXT, 1)],
    [Event("b", TEXT.replace("fix", "mend"), 2), Event("x", None, 3, "text_invalid")],
    [Event("a", TEXT, 4), Event("a", "other bytes", 5), Event("c", TEXT.replace("fix", "heal"), 6)],
)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    made = Warehouse(tmp_path / "run")
    yield made
    failpoints.arm("")
    made.dedup.close()


def crash(run: Warehouse) -> None:
    run.crash()
    run.catch_up()


def checkpoint(run: Warehouse) -> None:
    run.dedup.checkpoint()


def checkpoint_and_crash(run: Warehouse) -> None:
    run.dedup.checkpoint()
    run.crash()
    assert run.dedup.position() == (run.seq, run.chain), "restore(checkpoint()) is the identity"


def checkpoint_fails(run: Warehouse) -> None:
    before = run.dedup.position()
    failpoints.arm("checkpoint.begun:raise@1")
    with pytest.raises(OSError, match="failpoint"):
        run.dedup.checkpoint()
    assert run.dedup.position() == before


def decided_not_committed(run: Warehouse) -> None:
    run.decide([Event("ghost", TEXT, 50), Event("a", "ghost bytes", 51), Event("c", "ghost", 52)])


def decided_and_crashed(run: Warehouse) -> None:
    decided_not_committed(run)
    crash(run)


def reset(run: Warehouse) -> None:
    run.dedup.reset()
    assert run.dedup.position() == (0, "")
    run.catch_up()


def caught_up_twice(run: Warehouse) -> None:
    run.catch_up()


def promoted_twice(run: Warehouse) -> None:
    run.dedup.promote(run.seq, run.chain)


TROUBLES: list[Callable[[Warehouse], None]] = [
    crash,
    checkpoint,
    checkpoint_and_crash,
    checkpoint_fails,
    decided_not_committed,
    decided_and_crashed,
    reset,
    caught_up_twice,
    promoted_twice,
]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.__name__)
@pytest.mark.parametrize("after", [1, 2])
def test_timeline(
    warehouse: Warehouse, trouble: Callable[[Warehouse], None], after: int, tmp_path: Path
) -> None:
    for i, events in enumerate((A, B, C), 1):
        warehouse.step(events)
        if i == after:
            trouble(warehouse)
    straight = run_straight(tmp_path / "straight", (A, B, C))
    assert warehouse.decided() == straight.decided()
    assert warehouse.redelivered == straight.redelivered


@pytest.mark.parametrize("seed", range(12))
def test_random_troubles_change_no_row(warehouse: Warehouse, seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    plans = cut(random_events(100 + seed, 120), seed)
    for events in plans:
        if chance.random() < 0.3:
            warehouse.decide(chance.choice(plans))
        if chance.random() < 0.2:
            warehouse.commit(events)
            warehouse.crash()
            warehouse.catch_up(seed)
        else:
            warehouse.step(events)
        for trouble in chance.sample(TROUBLES, chance.choice([0, 0, 1, 2])):
            trouble(warehouse)
    straight = run_straight(tmp_path / "straight", plans)
    assert warehouse.decided() == straight.decided()
    assert warehouse.redelivered == straight.redelivered


def test_a_rival_s_rows_replace_one_s_own(warehouse: Warehouse, tmp_path: Path) -> None:
    ours = [Event("b", TEXT.replace("fix", "mend"), 2), Event("p", TEXT, 3)]
    theirs = [ours[0], ours[1]._replace(reason="stage_crash")]
    rival = Warehouse(tmp_path / "rival")
    for run in (warehouse, rival):
        run.step(A)
    warehouse.decide(ours)
    rival.step(theirs)
    warehouse.dedup.drop(2)
    warehouse.commit(theirs, decide=lambda events: rival.dedup.decide(3, batch([])))
    warehouse.rows[-1] = rival.rows[-1]
    warehouse.catch_up()
    following = [Event("p", TEXT, 4), Event("q", TEXT, 5)]
    for run in (warehouse, rival):
        run.step(following)
        run.dedup.checkpoint()
        crash(run)
        run.step(C)
    assert warehouse.decided() == rival.decided()
    rival.dedup.close()


def test_a_fresh_object_says_that_it_lost_its_memory(warehouse: Warehouse) -> None:
    warehouse.step(A)
    warehouse.dedup.checkpoint()
    warehouse.step(B)
    warehouse.crash()
    with pytest.raises(MemoryBehind) as behind:
        warehouse.decide(C)
    assert behind.value.fields == {"have": 1, "need": 2}
    with pytest.raises(MemoryBehind):
        warehouse.dedup.promote(3, "chain 3")


def test_a_plan_ahead_or_already_committed_is_refused(warehouse: Warehouse) -> None:
    warehouse.step(A)
    for n in (1, 3):
        with pytest.raises(MemoryBehind):
            warehouse.dedup.decide(n, batch(B))


def test_promoting_what_was_dropped_is_refused(warehouse: Warehouse) -> None:
    warehouse.decide(A)
    warehouse.dedup.drop(1)
    with pytest.raises(MemoryBehind):
        warehouse.dedup.promote(1, "chain 1")


def test_a_decision_that_failed_leaves_nothing_to_promote(warehouse: Warehouse) -> None:
    warehouse.decide(A)
    with pytest.raises(KeyError):
        warehouse.dedup.decide(1, batch(B).drop_columns(["reason"]))
    with pytest.raises(MemoryBehind):
        warehouse.dedup.promote(1, "chain 1")


def test_rows_that_do_not_follow_on_are_refused(warehouse: Warehouse) -> None:
    warehouse.step(A)
    warehouse.dedup.checkpoint()
    warehouse.step(B)
    warehouse.crash()  # between asking for the position, 2, and catching up from there
    nothing = warehouse.rows[0].slice(0, 0)
    for after in (0, 2):
        with pytest.raises(MemoryBehind):
            warehouse.dedup.catch_up(nothing, after, 3, "chain 3")
    assert warehouse.dedup.position() == (1, "chain 1")
    reset(warehouse)
    warehouse.step(C)
    assert warehouse.redelivered[-1] == {"sms": 1}


def test_rows_of_known_and_of_later_plans_are_passed_over(warehouse: Warehouse, tmp_path: Path) -> None:
    straight = run_straight(tmp_path / "straight", (A, B, C), bucket_limit=2)
    for seq, following in ((1, B), (2, C)):
        warehouse.dedup.catch_up(pa.concat_tables(straight.rows), seq - 1, seq, f"chain {seq}")
        assert warehouse.dedup.position() == (seq, f"chain {seq}")
        found = warehouse.dedup.decide(seq + 1, batch(following))
        assert decided(found.rows) == decided(straight.rows[seq])
    bands = np.sort(np.array(straight.rows[0]["band_hashes"][0].as_py(), dtype=np.int64).view(np.uint64))
    buckets = warehouse.dedup._memory.buckets(bands)
    assert {len(bucket) // 16 for bucket in buckets.values()} == {1, 2}, "no event is in a bucket twice"


def test_catching_up_needs_the_named_columns_only(warehouse: Warehouse) -> None:
    warehouse.commit(A)
    warehouse.dedup.catch_up(warehouse.rows[0].select(REMEMBERED), 0, 1, warehouse.chain)
    assert warehouse.decide(A).redelivered == {"sms": 1}


@pytest.mark.parametrize("steps", [["dedup.promoted", "checkpoint.begun", "checkpoint.written"]])
def test_steps_are_named(warehouse: Warehouse, steps: Sequence[str]) -> None:
    seen: list[str] = []
    failpoints.observe(seen.append)
    try:
        warehouse.step(A)
        warehouse.dedup.checkpoint()
    finally:
        failpoints.observe(None)
    assert seen == steps
