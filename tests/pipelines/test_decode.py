"""Whatever was stored becomes a row: with its fields, or with the reason why not."""

import json
from datetime import date

import pytest

from catalog.envelope import Envelope, Located, Unreadable
from catalog.ids import corrupt_frame_id, payload_digest
from catalog.tables import REASONS
from pipelines.stages.decode import SCHEMA, decode, event_date, judge

RECEIVED_US = 1_764_000_000_000_000  # 2025-11-24T16:00:00Z


def envelope(payload: bytes) -> Envelope:
    return Envelope("0" * 32, "provider", "sms", "gw", RECEIVED_US, "plain/1", "core-1", "a/b", "", payload)


def payload(**changes: object) -> bytes:
    given: dict[str, object] = {"id": "1", "text": "no signal", "event_time": "2025-11-24T10:00:00+01:00"}
    return json.dumps(
        {name: value for name, value in {**given, **changes}.items() if value is not ...}
    ).encode()


def test_a_good_payload() -> None:
    assert judge(envelope(payload()))[:4] == (None, None, "no signal", 1_763_974_800_000_000)
    assert event_date(envelope(payload())) == date(2025, 11, 24)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"", "payload_unreadable"),
        (b"\xff\xfe", "payload_unreadable"),
        (b"[" * 100_000, "payload_unreadable"),
        (b'"text"', "payload_unreadable"),
        (b'{"id":"1","text":NaN}', "payload_unreadable"),
        (b'{"id":"1","text":"\\ud800","event_time":"2025-11-24T10:00:00Z"}', "payload_unreadable"),
        (payload(id=...), "id_invalid"),
        (payload(id=12345678901234567890123), "id_invalid"),
        (payload(id=""), "id_invalid"),
        (payload(text=...), "text_invalid"),
        (payload(text=["a"]), "text_invalid"),
        (payload(event_time=...), "event_time_invalid"),
        (payload(event_time="yesterday"), "event_time_invalid"),
        (payload(event_time="2025-11-24T10:00:00"), "event_time_invalid"),
        (payload(event_time=1_763_974_800), "event_time_invalid"),
        (payload(event_time="2025-11-25T16:00:01Z"), "event_time_future"),
        (payload(event_time="2099-01-01T00:00:00Z"), "event_time_future"),
        (payload(event_time="9999-12-31T23:59:59-23:00"), "event_time_invalid"),
        (payload(event_time="1999-12-31T23:59:59Z"), "event_time_too_old"),
        (payload(event_time="0001-01-01T00:00:00+23:00"), "event_time_invalid"),
    ],
)
def test_a_broken_payload_has_a_registered_reason(broken: bytes, reason: str) -> None:
    assert judge(envelope(broken)).reason == reason
    assert reason in REASONS
    assert event_date(envelope(broken)) is None
    (row,) = decode([Located("seg-1", 80, envelope(broken))], frozenset(), {}).columns.to_pylist()
    assert (row["reason"], row["event_date"]) == (reason, date(2025, 11, 24))


def test_exactly_24_hours_ahead_is_still_a_clock() -> None:
    assert judge(envelope(payload(event_time="2025-11-25T16:00:00Z"))).reason is None


def test_a_date_in_2099_makes_no_partition_of_its_own() -> None:
    (row,) = decode(
        [Located("s", 1, envelope(payload(event_time="2099-01-01T00:00:00Z")))], frozenset(), {}
    ).columns.to_pylist()
    assert row["event_time"].year == 2099
    assert row["event_date"] == date(2025, 11, 24)


def test_amended_frames_are_rows_without_being_looked_at() -> None:
    batch = [Located("seg-1", 80, envelope(payload())), Located("seg-1", 300, None)]
    unreadable = {("seg-1", 300): Unreadable(RECEIVED_US, "d" * 32)}
    decoded = decode(batch, frozenset({("seg-1", 80)}), unreadable)
    crashed, corrupt = decoded.columns.to_pylist()
    assert (crashed["reason"], crashed["payload_digest"]) == ("stage_crash", payload_digest(payload()))
    assert decoded.texts == [None, None]
    assert (corrupt["event_id"], corrupt["reason"]) == (corrupt_frame_id("seg-1", 300), "frame_corrupt")
    assert (corrupt["channel"], corrupt["payload_digest"]) == ("unknown", "d" * 32)


def test_an_empty_batch_has_the_same_columns() -> None:
    assert decode([], frozenset(), {}).columns.schema == SCHEMA
