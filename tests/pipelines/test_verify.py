"""`verify` names what is missing, doubled, foreign, corrupt or pending, and trusts no count."""

from typing import Any

import pyarrow as pa
import pytest

from catalog.control.plans import Amendments, Range
from catalog.envelope import Envelope, Located
from catalog.ids import conflict_id, corrupt_frame_id, payload_digest
from catalog.lake.read import Identities
from pipelines.verify import Corrupt, Coverage, Report, Stored, verify

SEGMENT = "seg-1"
COLUMNS = ("event_id", "payload_digest", "conflicts_with", "reason", "segment")
TYPES = pa.schema([*((name, pa.string()) for name in COLUMNS), ("offset", pa.int64())])


def frame(name: str, offset: int, payload: bytes = b"{}") -> Located:
    known = (name, "provider", "sms", "gw", 0, "plain/1", "core-1", "a/b", "", payload)
    return Located(SEGMENT, offset, Envelope(*known))  # type: ignore[arg-type]


def row(name: str, payload: bytes = b"{}", **more: str) -> dict[str, Any]:
    return {
        **dict.fromkeys(COLUMNS),
        "event_id": name,
        "payload_digest": payload_digest(payload),
        "segment": SEGMENT,
        **more,
    }


def report(frames: list[Located], rows: list[dict[str, Any]], upto: int = 1_000, **more: Any) -> Report:
    stored = Stored(frames, more.get("corrupt", []), frozenset(more.get("suspect", ())))
    table = Identities(1, pa.Table.from_pylist(rows, TYPES), [])
    return verify(
        stored, Coverage([(1, Range(SEGMENT, 80, upto, 0))]), table, Amendments(**more.get("amended", {}))
    )


def test_all_is_well() -> None:
    frames = [frame("a", 80), frame("b", 180), frame("a", 280)]
    assert report(frames, [row("a"), row("b")]) == Report(True, [], [], [], [], 0)


def test_missing_doubled_and_foreign_are_named() -> None:
    found = report([frame("a", 80), frame("b", 180)], [row("b"), row("b"), row("c")])
    assert (found.ok, found.missing, found.doubled, found.foreign) == (False, ["a"], ["b"], ["c"])


def test_what_no_committed_plan_cut_is_pending_and_may_have_no_row() -> None:
    assert report([frame("a", 80), frame("b", 180)], [row("a")], upto=180) == Report(True, [], [], [], [], 1)
    assert report([frame("b", 180)], [row("b")], upto=180).foreign == ["b"]


def test_a_conflict_is_a_row_of_its_own() -> None:
    frames = [frame("a", 80), frame("a", 180, b"other")]
    own = conflict_id("gw", "a", payload_digest(b"other"))
    there = row(own, b"other", conflicts_with="a", reason="idempotency_conflict")
    assert report(frames, [row("a"), there]).ok
    assert report(frames, [row("a")]).missing == [own]
    assert report(frames, [there]).missing == ["a"]


def test_a_row_with_other_bytes_than_were_stored_is_foreign() -> None:
    found = report([frame("a", 80)], [row("a", b"changed")])
    assert found.foreign == ["a"]
    assert not found.ok


@pytest.mark.parametrize("is_published", [True, False])
def test_a_frame_given_up_is_a_row_and_no_corruption_any_more(is_published: bool) -> None:
    name = corrupt_frame_id(SEGMENT, 180)
    frames = [frame("a", 80), *([Located(SEGMENT, 180, None)] if is_published else [])]
    bad = [] if is_published else [Corrupt(f"log/{SEGMENT}.sealed", 180)]
    amended = {"corrupt": frozenset({(SEGMENT, 180)})}
    rows = [row("a"), row(name, b"rest", reason="frame_corrupt")]
    assert report(frames, rows, corrupt=bad, amended=amended).ok
    assert report(frames, [row("a")], corrupt=bad, amended=amended).missing == [name]


def test_corruption_is_red_even_when_all_ids_are_there() -> None:
    bad = Corrupt(f"log/{SEGMENT}.log", 180)
    assert report([frame("a", 80)], [row("a")], corrupt=[bad]) == Report(False, [], [], [], [bad], 0)


def test_rows_of_a_damaged_raw_file_are_not_called_foreign_too() -> None:
    bad = Corrupt("raw/event_date=2025-01-01/channel=sms/seg-1.ndjson.zst", 0)
    found = report([], [row("a")], corrupt=[bad], suspect=[SEGMENT])
    assert (found.ok, found.foreign, found.corrupt) == (False, [], [bad])


def test_an_id_lost_with_its_conflict_is_told_from_it() -> None:
    frames = [frame("a", 180, b"other"), frame("a", 80), frame("b", 280)]
    own = conflict_id("gw", "a", payload_digest(b"other"))
    assert report(frames, [row("b")]).missing == sorted(["a", own])


@pytest.mark.parametrize("is_redelivery", [True, False])
def test_a_frame_lost_after_its_commit_keeps_its_row_if_it_had_one(is_redelivery: bool) -> None:
    bad = Corrupt(f"log/{SEGMENT}.sealed", 180)
    rows = [row("a"), *([] if is_redelivery else [row("b") | {"offset": 180}])]
    amended = {"lost": frozenset({(SEGMENT, 180)})}
    assert report([frame("a", 80)], rows, corrupt=[bad], amended=amended).ok
