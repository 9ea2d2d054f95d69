"""The format, byte by byte."""

from __future__ import annotations

import pytest

from catalog.errors import CorruptFrame, WrongVersion
from catalog.log import frames
from catalog.log.frames import Codec, Footer, Mark
from tests.catalog.log.builders import envelope, envelopes

SALT = bytes(range(16))
HEADER = frames.encode_header(SALT, 1)


def encoded(*numbers: int) -> bytes:
    return Codec(HEADER).encode([frames.encode_body(one) for one in envelopes(*numbers)])


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_frames_come_back_and_tell_where_the_next_begins() -> None:
    content = encoded(1, 2, 3)
    found, used = Codec(HEADER).split(content + content[:20])
    assert [frames.decode_body(body) for _, body in found] == envelopes(1, 2, 3)
    assert used == len(content)


def test_the_channel_is_read_without_decoding() -> None:
    body = frames.encode_body(envelope(1, "web_form"))[4:]
    assert frames.channel_of(body) == b"web_form"


def test_every_flipped_bit_of_a_frame_is_seen() -> None:
    content = encoded(1)
    for bit in range(8 * len(content)):
        found, used = Codec(HEADER).split(flipped(content, bit))
        assert (found, used) == ([], 0), bit


def test_a_cut_frame_is_no_frame() -> None:
    content = encoded(1)
    for size in range(len(content)):
        assert Codec(HEADER).split(content[:size]) == ([], 0)


def test_a_frame_of_another_segment_is_no_frame() -> None:
    other = Codec(frames.encode_header(SALT[:8] + bytes(8), 1))
    assert other.frame_mark == Codec(HEADER).frame_mark
    assert other.split(encoded(1)) == ([], 0)


def test_a_readable_frame_without_an_envelope_is_a_value_error() -> None:
    body = frames.encode_body(envelope(1))[4:]
    with pytest.raises(ValueError, match="not an envelope"):
        frames.decode_body(body[:-3])


def test_one_damaged_header_record_costs_nothing_but_is_told() -> None:
    assert Codec(HEADER).is_header_whole
    for bit in range(8 * len(HEADER)):
        codec = Codec(flipped(HEADER, bit))
        assert not codec.is_header_whole
        assert codec.split(encoded(1))[1] == len(encoded(1))


@pytest.mark.parametrize("header", [b"", HEADER[:10], bytes(frames.HEADER_BYTES)])
def test_without_a_header_no_frame_is_told(header: bytes) -> None:
    assert Codec(header).split(encoded(1)) == ([], 0)


def test_a_later_version_is_refused() -> None:
    later = 2 * frames._header_record(SALT, 1, frames.VERSION + 1)
    with pytest.raises(WrongVersion):
        Codec(later)


def test_every_flipped_bit_of_a_footer_is_seen() -> None:
    codec = Codec(HEADER)
    footer = Footer(7, bytes(range(32)))
    content = codec.encode_footer(footer)
    assert codec.decode_footer(content) == footer
    for bit in range(8 * len(content)):
        assert codec.decode_footer(flipped(content, bit)) is None
    assert codec.decode_footer(content[:-1]) is None


def test_every_flipped_bit_of_a_durable_offset_is_seen() -> None:
    content = frames.encode_mark("seg-1", Mark(100, 3))
    assert len(content) == frames.MARK_BYTES
    assert frames.decode_mark("seg-1", content) == Mark(100, 3)
    for bit in range(8 * len(content)):
        with pytest.raises(CorruptFrame):
            frames.decode_mark("seg-1", flipped(content, bit))


@pytest.mark.parametrize("published", [b"", bytes(frames.MARK_BYTES), bytes(3)])
def test_an_empty_durable_offset_says_nothing(published: bytes) -> None:
    assert frames.decode_mark("seg-1", published) is None


def test_the_durable_offset_of_another_segment_is_damage() -> None:
    with pytest.raises(CorruptFrame):
        frames.decode_mark("seg-2", frames.encode_mark("seg-1", Mark(100, 3)))
