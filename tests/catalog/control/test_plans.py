"""The plans are the order, the cut and the fence between two sequencers."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from catalog.control.plans import GENESIS, Plan, PlanStore, Range
from catalog.control.schema import open_control, sqlite_url
from catalog.errors import PlanTaken


@pytest.fixture
def store(control_url: str) -> PlanStore:
    return PlanStore(open_control(control_url))


def plan(n: int, start: int, stop: int, before: str = GENESIS) -> Plan:
    cut = (Range("seg-a", start, stop, 3),)
    return Plan(n, "log", "core-1", "0", 1_000_000 + n, cut, {"sms": 3}).chained(before)


def test_what_is_written_is_read_back(store: PlanStore) -> None:
    first = plan(1, 80, 200)
    second = plan(2, 200, 300, first.chain)
    store.insert(first)
    store.insert(second)
    assert store.after(0, 10) == [first, second]
    assert store.after(1, 10) == [second]
    assert (store.last(), store.chain(2), store.chain(3)) == (2, second.chain, None)
    assert store.progress() == {"seg-a": (300, 2)}


def test_the_chain_follows_every_field() -> None:
    chains = {
        plan(1, 80, 200).chain,
        plan(2, 80, 200).chain,
        plan(1, 80, 201).chain,
        plan(1, 80, 200, "x").chain,
    }
    assert len(chains) == 4


def test_a_plan_number_is_given_once(store: PlanStore) -> None:
    store.insert(plan(1, 80, 200))
    with pytest.raises(PlanTaken):
        store.insert(plan(1, 200, 300))
    assert store.progress() == {"seg-a": (200, 1)}


@pytest.mark.parametrize("start", [80, 150, 250])
def test_a_frame_is_planned_once_and_none_is_left_out(store: PlanStore, start: int) -> None:
    store.insert(plan(1, 80, 200))
    with pytest.raises(PlanTaken):
        store.insert(plan(2, start, 300, "chain"))
    assert store.last() == 1


def test_a_verdict_on_a_frame_is_given_once(store: PlanStore) -> None:
    assert store.amend("seg-a", 80, "e1", "stage_crash", 1)
    assert not store.amend("seg-a", 80, "e1", "frame_corrupt", 2)
    assert store.amend("seg-b", 90, "e2", "frame_corrupt", 3)
    assert store.amendments().crashed == {("seg-a", 80)}
    assert store.amendments(["seg-a"]).corrupt == frozenset()
    assert store.amendments().given_up("seg-b") == {90}


def test_a_published_segment_is_no_longer_in_progress(store: PlanStore) -> None:
    store.insert(plan(1, 80, 200))
    store.mark_published("seg-a", 5)
    assert store.progress() == {}


def test_any_number_of_segments_is_asked_about(store: PlanStore) -> None:
    store.insert(plan(1, 80, 200))
    store.mark_published("seg-a", 5)
    beyond_any_limit = [f"seg-{number}" for number in range(300_000)]
    assert store.published([*beyond_any_limit, "seg-a"]) == {"seg-a"}


def test_of_two_sequencers_at_once_one_plans_and_the_other_is_told(control_url: str) -> None:
    stores = [PlanStore(open_control(control_url)) for _ in range(4)]
    with ThreadPoolExecutor(len(stores)) as pool:
        for n in range(1, 11):
            told = list(pool.map(lambda each, n=n: _is_taken(each, n), stores))  # type: ignore[misc]
            assert told.count(False) == 1
    assert stores[0].progress() == {"seg-a": (1000, 10)}


def _is_taken(store: PlanStore, n: int) -> bool:
    try:
        store.insert(plan(n, 100 * n - 100, 100 * n, store.chain(n - 1) or ""))
    except PlanTaken:
        return True
    return False


def test_commits_reach_the_disk_before_they_are_answered(tmp_path: Path) -> None:
    with open_control(sqlite_url(tmp_path / "control.db")).connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
