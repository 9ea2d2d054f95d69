"""Walking over good and bad bytes, with windows small enough to be crossed everywhere."""

from __future__ import annotations

import random

import pytest

from catalog.envelope import Envelope
from catalog.errors import CorruptFrame
from catalog.log import frames, reader
from catalog.log.frames import FRAME_BYTES, Codec
from catalog.log.port import Bad
from catalog.log.reader import SegmentReader
from tests.catalog.log.builders import envelope, envelopes

CODEC = Codec(frames.encode_header(bytes(range(16)), 1))


def encoded(*events: Envelope, codec: Codec = CODEC) -> bytes:
    return codec.encode([frames.encode_body(one) for one in events])


def over(content: bytes) -> SegmentReader:
    return SegmentReader("seg-1", CODEC, lambda offset, size: content[offset : offset + size])


@pytest.fixture(params=[FRAME_BYTES, 200, 1024 * 1024])
def window(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_WINDOW_BYTES", request.param)


@pytest.mark.usefixtures("window")
def test_frames_larger_and_smaller_than_a_window() -> None:
    group = [envelope(n, payload=bytes([n]) * (1000 * (n % 3))) for n in range(9)]
    content = encoded(*group)
    assert [one.envelope for one in over(content).read(0, len(content), frozenset())] == group


@pytest.mark.usefixtures("window")
def test_whatever_is_damaged_every_other_frame_is_found() -> None:
    group = [envelope(n, payload=b"x" * (n * 37 % 300)) for n in range(12)]
    parts = [encoded(one) for one in group]
    content = b"".join(parts)
    starts = [sum(map(len, parts[:n])) for n in range(12)]
    random_bits = random.Random(1)
    for which in range(12):
        for bit in (0, 33, 70, random_bits.randrange(8 * len(parts[which]))):
            damaged = bytearray(content)
            damaged[starts[which] + bit // 8] ^= 1 << bit % 8
            located, bad = over(bytes(damaged)).salvage(0, len(content))
            assert bad == [Bad("seg-1", starts[which], "frame")]
            assert [one.envelope for one in located] == group[:which] + group[which + 1 :]


@pytest.mark.usefixtures("window")
def test_a_payload_is_never_taken_for_a_frame() -> None:
    other = Codec(frames.encode_header(bytes(16), 1))
    forged = encoded(*envelopes(7, 8), codec=other)
    group = [envelope(1, payload=forged), envelope(2, payload=CODEC.frame_mark * 50)]
    content = encoded(*group)
    for group_start in (0, len(encoded(group[0]))):
        damaged = bytearray(content)
        damaged[group_start + 30] ^= 1
        located, bad = over(bytes(damaged)).salvage(0, len(content))
        assert len(bad) == 1
        assert len(located) == 1
        assert located[0].envelope in group


def test_a_stale_frame_behind_the_end_is_not_read() -> None:
    content = encoded(*envelopes(1, 2))
    end = len(encoded(envelope(1)))
    assert [one.envelope for one in over(content).read(0, end, frozenset())] == envelopes(1)
    assert over(content).next_readable(1, end) == end


def test_a_range_that_ends_inside_a_frame_is_corrupt() -> None:
    content = encoded(*envelopes(1, 2))
    with pytest.raises(CorruptFrame):
        over(content).read(0, len(content) - 1, frozenset())


def test_two_bad_frames_side_by_side_are_given_up_as_one() -> None:
    parts = [encoded(one) for one in envelopes(1, 2, 3)]
    content = b"".join([parts[0], bytes(len(parts[1])), parts[2]])
    given_up = frozenset({len(parts[0])})
    scan = over(content).scan(0, len(content), 9, given_up)
    assert (scan.frames, scan.stop) == (3, len(content))
    assert len(over(content).read(0, len(content), given_up)) == 3


def test_a_good_checksum_around_no_envelope_is_a_bad_frame() -> None:
    body = frames.encode_body(envelope(1))
    broken = body[:-1] + b"\xc1"
    empty = frames._BODY.pack(len(body) - 4, bytes(16), 1, 3) + b"sms" + b"\xc1" * (len(body) - 32)
    for content in (CODEC.encode([empty]), CODEC.encode([broken[:4] + empty[4:]])):
        with pytest.raises(CorruptFrame):
            over(content).read(0, len(content), frozenset())
        assert over(content).read(0, len(content), frozenset({0}))[0].envelope is None


def test_what_was_given_up_stays_given_up_when_it_can_be_read_again() -> None:
    content = encoded(*envelopes(1, 2))
    scan = over(content).scan(0, len(content), 9, frozenset({0}))
    assert (scan.frames, scan.by_channel) == (2, {"sms": 1, "unknown": 1})
    located = over(content).read(0, len(content), frozenset({0}))
    assert [one.envelope for one in located] == [None, envelope(2)]
