"""The streams: repeatable, and holding every kind of event."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from benchmarks.faults import workload
from catalog.clock import SystemClock
from pipelines.append import envelope


def test_the_same_seed_gives_the_same_lines() -> None:
    assert workload.lines(1, 50) == workload.lines(1, 50) != workload.lines(2, 50)
    assert workload.lines(1, 50)[:20] == workload.lines(1, 20)


def test_a_stream_holds_every_kind_of_event() -> None:
    lines = workload.lines(1, 300)
    ids = Counter(line.event_id for line in lines if line.id)
    families = Counter(line.family for line in lines if line.family is not None)
    digests = {(line.event_id, line.digest) for line in lines if line.id}

    assert max(Counter(lines).values()) > 1, "redeliveries"
    assert len(digests) > len(ids), "the same id with other bytes"
    assert max(families.values()) > 1, "near-duplicates"
    assert {line.channel for line in lines} == set(workload.CHANNELS)
    assert {line.reason for line in lines} > {None, "payload_unreadable", "id_invalid", "text_invalid"}


def test_the_door_takes_every_line_and_gives_the_id_that_is_expected() -> None:
    for number, line in enumerate(workload.lines(1, 100, poison_every=10), 1):
        taken = envelope(line.encoded, number, "core-1", SystemClock())

        assert (taken.channel, taken.source, taken.payload) == (line.channel, line.source, line.payload)
        assert line.event_id in (None, taken.event_id)


def test_a_torn_receipt_is_none(tmp_path: Path) -> None:
    receipts = tmp_path / "receipts"
    receipts.write_text('[0, "a"]\n[2, "b"]\n[1, "')

    assert workload.acknowledged(receipts) == [(0, "a"), (2, "b")]
    assert workload.unacknowledged(receipts, 4) == [1, 3]
