"""The raw layer: the same envelopes come out, and no damage goes unseen."""

import random
from pathlib import Path

import pyarrow as pa
import pytest

from catalog import failpoints
from catalog.envelope import Envelope, Located
from catalog.errors import CorruptFrame
from catalog.objects.folder import Folder
from catalog.raw import Entry, Raw

SEGMENT = "seg-1"


def entries() -> list[Entry]:
    payloads = [b'{"id":"1"}', b"\xff\x00 not text", "naïve \x00\u2028\r\n lines".encode(), b""]
    made = []
    for i, payload in enumerate(payloads * 5):
        channel = ("sms", "social")[i % 2]
        envelope = Envelope(
            f"{i:032x}",
            "provider",
            channel,
            "gw",
            1_764_000_000_123_456 + i,
            "plain/1",
            "core-1",
            "a/b",
            "",
            payload,
        )
        made.append(
            Entry(Located(SEGMENT, 80 + i * 100, envelope), ("2026-11-20", "unknown")[i % 3 == 0], b"")
        )
    made.append(Entry(Located(SEGMENT, 9_000, None), "unknown", b"\x01\x02 what is left"))
    return made


def test_the_same_frames_come_out_in_the_log_order(tmp_path: Path) -> None:
    raw = Raw(Folder(tmp_path))
    raw.write(SEGMENT, entries())
    assert raw.read(SEGMENT) == [entry.located for entry in entries()]
    assert raw.read(SEGMENT, 180, 380) == [entry.located for entry in entries()[1:3]]
    assert raw.remains(SEGMENT, 9_000) == b"\x01\x02 what is left"
    assert raw.segments() == [SEGMENT]


def test_files_lie_by_event_date_and_channel(tmp_path: Path) -> None:
    manifest = Raw(Folder(tmp_path)).write(SEGMENT, entries())
    assert {(file.event_date, file.channel) for file in manifest.files} >= {
        ("2026-11-20", "sms"),
        ("unknown", "social"),
    }
    assert all(
        file.path.startswith(f"event_date={file.event_date}/channel={file.channel}/")
        for file in manifest.files
    )
    assert manifest.frames == len(entries())


def test_writing_again_changes_nothing(tmp_path: Path) -> None:
    raw = Raw(Folder(tmp_path))
    assert raw.write(SEGMENT, entries()) == raw.write(SEGMENT, entries())


def test_a_rival_of_another_version_that_dies_halfway_spoils_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = Raw(Folder(tmp_path))
    raw.write(SEGMENT, entries())
    compress = pa.compress
    monkeypatch.setattr(pa, "compress", lambda data, **how: compress(data + b"\n", **how))
    failpoints.arm("publish.named:raise")
    with pytest.raises(OSError, match="failpoint"):
        raw.write(SEGMENT, entries())
    failpoints.arm("")
    assert raw.read(SEGMENT) == [entry.located for entry in entries()]


def test_a_segment_that_is_not_published_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(LookupError):
        Raw(Folder(tmp_path)).read("seg-unknown")


def test_every_flipped_bit_is_seen(tmp_path: Path) -> None:
    raw = Raw(Folder(tmp_path))
    raw.write(SEGMENT, entries())
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    choose = random.Random(7)
    for _ in range(200):
        path = choose.choice(files)
        whole = path.read_bytes()
        bit = choose.randrange(len(whole) * 8)
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(CorruptFrame):
            raw.read(SEGMENT)
        assert raw.salvage(SEGMENT)[1]
        path.write_bytes(whole)
    assert raw.salvage(SEGMENT)[1] == []
