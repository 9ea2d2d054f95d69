"""What dedup decides: against the oracle, and case by case."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from actors.dedup.config import DedupConfig
from catalog.ids import conflict_id, event_id, payload_digest
from catalog.tables import EVENTS
from tests.actors.dedup import oracle
from tests.actors.dedup.streams import (
    DECIDED,
    Event,
    Warehouse,
    batch,
    cut,
    decided,
    random_events,
    run_straight,
)

TEXT = "the network is down in my whole street since monday please send somebody to fix it"
NEAR = TEXT.replace("monday", "sunday")
OTHER = "you have taken my airtime two times this week and nobody answers when i call to ask"


def of(name: str) -> str:
    return event_id("shop", "provider", name)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    made = Warehouse(tmp_path)
    yield made
    made.dedup.close()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("bucket_limit", [2, 32])
def test_decisions_are_the_oracle_s_whatever_the_cut(tmp_path: Path, seed: int, bucket_limit: int) -> None:
    events = random_events(seed, 120)
    rows, redelivered = oracle.decide(events, bucket_limit)
    kinds = Counter(row[DECIDED.index("link_kind")] for row in rows)
    assert kinds["near_duplicate"] > 10, "the stream has too few near-duplicates to tell"
    assert kinds["same_complaint"]
    assert any(row[DECIDED.index("bridges")] for row in rows)
    assert redelivered
    for most in (3, 40):
        run = run_straight(tmp_path / str(most), cut(events, seed, most), bucket_limit)
        assert run.decided() == rows
        assert sum(map(Counter, run.redelivered), Counter()) == redelivered


def test_redelivery_in_the_same_plan_and_later_leaves_no_row(warehouse: Warehouse) -> None:
    warehouse.step([Event("a", TEXT, 1), Event("a", TEXT, 2)])
    warehouse.step([Event("a", TEXT, 3, channel="social"), Event("b", OTHER, 4)])
    assert [rows["event_id"].to_pylist() for rows in warehouse.rows] == [[of("a")], [of("b")]]
    assert warehouse.redelivered == [{"sms": 1}, {"social": 1}]


def test_other_bytes_under_a_known_id_are_a_row_of_their_own(warehouse: Warehouse) -> None:
    warehouse.step([Event("a", TEXT, 1)])
    warehouse.step([Event("a", OTHER, 2), Event("a", OTHER, 3), Event("a", NEAR, 4)])
    warehouse.step([Event("a", OTHER, 5), Event("a", TEXT, 6)])
    conflicts = [conflict_id("shop", of("a"), payload_digest(repr(text).encode())) for text in (OTHER, NEAR)]
    rows = warehouse.rows[1]
    assert rows["event_id"].to_pylist() == conflicts
    assert rows["conflicts_with"].to_pylist() == [of("a")] * 2
    assert set(rows["reason"].to_pylist()) == {"idempotency_conflict"}
    assert set(rows["disposition"].to_pylist()) == {"quarantined"}
    assert set(rows["id_origin"].to_pylist()) == {"conflict"}
    assert rows["linked_to"].null_count == 2, "a quarantined row takes no part in links"
    assert len(warehouse.rows[2]) == 0
    assert warehouse.redelivered == [{}, {"sms": 1}, {"sms": 2}]


def test_near_duplicate_is_accepted_and_linked(warehouse: Warehouse) -> None:
    warehouse.step([Event("a", TEXT, 1), Event("b", OTHER, 2), Event("c", NEAR, 3)])
    rows = warehouse.rows[0]
    assert rows["disposition"].to_pylist() == ["accepted"] * 3
    assert rows["linked_to"].to_pylist() == [None, None, of("a")]
    assert rows["similarity"].to_pylist() == [None, None, pytest.approx(0.94, abs=0.01)]


def test_quarantined_text_is_known_by_id_but_never_linked_to(warehouse: Warehouse) -> None:
    warehouse.step([Event("a", TEXT, 1, reason="event_time_future")])
    warehouse.step([Event("a", TEXT, 2, reason="event_time_future"), Event("b", NEAR, 3)])
    assert warehouse.rows[1]["linked_to"].to_pylist() == [None]
    assert warehouse.redelivered[1] == {"sms": 1}


def test_the_most_similar_wins_and_the_earliest_among_equals(warehouse: Warehouse) -> None:
    two_off = NEAR.replace("street", "town")
    warehouse.step([Event("far", two_off, 1), Event("first", NEAR, 2)])
    warehouse.step([Event("second", NEAR, 3)])
    warehouse.step([Event("asks", TEXT, 4)])
    assert warehouse.rows[2]["linked_to"].to_pylist() == [of("first")]


def test_earlier_within_a_plan_goes_by_segment_and_offset_not_by_row(warehouse: Warehouse) -> None:
    events = [
        Event("b", NEAR, 10, segment="z"),
        Event("a", TEXT, 500, segment="m"),
        Event("a", TEXT, 20, segment="z"),
        Event("c", NEAR, 9, segment="m"),
    ]
    warehouse.step(events)
    rows = warehouse.rows[0]
    assert rows["event_id"].to_pylist() == [of("b"), of("a"), of("c")], "kept rows stay in the batch's order"
    assert rows["linked_to"].to_pylist() == [of("c"), of("c"), None]


def test_of_one_id_the_first_row_is_the_event_whatever_its_segment(warehouse: Warehouse) -> None:
    warehouse.step([Event("a", TEXT, 500, segment="z"), Event("a", NEAR, 20, segment="m")])
    rows = warehouse.rows[0]
    assert rows["conflicts_with"].to_pylist() == [None, of("a")]
    assert rows["segment"].to_pylist() == ["z", "m"]


def test_threshold_is_inclusive(tmp_path: Path) -> None:
    words = TEXT.split()
    assert len(words) == 16
    changed = " ".join([*words[:12], "x1", "x2", "x3", "x4"])
    for threshold, linked in ((0.75, [None, of("a")]), (0.7501, [None, None])):
        made = Warehouse(tmp_path / str(threshold))
        made.dedup.close()
        made.config = DedupConfig(tmp_path / str(threshold), threshold)
        made.crash()
        made.step([Event("a", TEXT, 1), Event("b", changed, 2)])
        assert made.rows[0]["linked_to"].to_pylist() == linked
        made.dedup.close()


def test_columns_have_the_table_s_types_and_the_batch_s_order(warehouse: Warehouse) -> None:
    for events in ([], [Event("a", TEXT, 1)], [Event("a", TEXT, 2)], [Event("b", None, 3, "text_invalid")]):
        given = batch(events)
        rows = warehouse.decide(events).rows
        warehouse.step(events)
        assert rows.schema.names[: given.num_columns] == given.schema.names
        added = {
            *("disposition", "linked_to", "link_kind", "similarity", "cluster_id", "bridges"),
            "conflicts_with",
        }
        assert set(rows.schema.names) - set(given.schema.names) == added
        for name in rows.schema.names:
            assert rows.schema.field(name).type == EVENTS.arrow_schema.field(name).type


def test_deciding_changes_nothing_that_a_second_decision_sees(warehouse: Warehouse) -> None:
    warehouse.step([Event("a", TEXT, 1)])
    first = warehouse.decide([Event("b", NEAR, 2), Event("c", OTHER, 3)])
    again = warehouse.decide([Event("b", NEAR, 2), Event("c", OTHER, 3)])
    assert decided(first.rows) == decided(again.rows)
    assert again.redelivered == {}


def test_a_template_links_to_the_first_of_those_its_buckets_keep(warehouse: Warehouse) -> None:
    warehouse.step([Event(f"e{i}", TEXT, i) for i in range(50)])
    kept = [of(f"e{max(0, i - 4)}") for i in range(1, 50)]
    assert warehouse.rows[0]["linked_to"].to_pylist()[1:] == kept
    warehouse.dedup.checkpoint()
    warehouse.step([Event("late", TEXT, 99)])
    assert warehouse.rows[1]["linked_to"].to_pylist() == [of("e46")]
    assert {name for rows in warehouse.rows for name in rows["cluster_id"].to_pylist()} == {of("e0")}


def test_bands_that_hash_alike_link_no_event_to_itself(warehouse: Warehouse) -> None:
    given = batch([Event("a", TEXT, 1)])
    place = given.schema.get_field_index("band_hashes")
    twice = pa.array([[5, 5]], given.schema.field(place).type)
    rows = warehouse.dedup.decide(1, given.set_column(place, given.schema.field(place), twice)).rows
    assert rows["linked_to"].to_pylist() == [None]


def test_a_batch_of_several_chunks_is_decided_as_one(warehouse: Warehouse) -> None:
    events = random_events(3, 40)
    whole = warehouse.decide(events)
    chunked = pa.concat_tables([batch(events[:7]), batch(events[7:7]), batch(events[7:])])
    assert decided(warehouse.dedup.decide(1, chunked).rows) == decided(whole.rows)


def test_hash_seed_makes_no_difference(tmp_path: Path) -> None:
    code = "import sys, pathlib; from tests.actors.dedup.streams import fingerprint; " + (
        "sys.stdout.write(fingerprint(pathlib.Path(sys.argv[1]), 7))"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / seed)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert len(found[0]) == 64
    assert found[0] == found[1]


def test_config_pickles(tmp_path: Path) -> None:
    config = DedupConfig(tmp_path)
    assert pickle.loads(pickle.dumps(config)) == config
