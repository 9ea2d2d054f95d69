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
    compressing_otherwise(monkeypatch)
    failpoints.arm("publish.named:raise")
    with pytest.raises(OSError, match="failpoint"):
        raw.write(SEGMENT, entries())
    failpoints.arm("")
    assert raw.read(SEGMENT) == [entry.located for entry in entries()]


def compressing_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    compress = pa.compress
    monkeypatch.setattr(pa, "compress", lambda data, **how: compress(data + b"\n", **how))


def assert_nothing_unnamed(root: Path) -> None:
    raw = Raw(Folder(root))
    named = {f"manifests/{SEGMENT}.json", *(file.path for file in raw.manifest(SEGMENT).files)}
    assert {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()} == named
    assert raw.read(SEGMENT) == [entry.located for entry in entries()]


def test_what_a_publisher_left_that_died_stays_until_another_has_published(tmp_path: Path) -> None:
    raw = Raw(Folder(tmp_path))
    with pytest.MonkeyPatch.context() as other_version:
        compressing_otherwise(other_version)
        failpoints.arm("publish.named:raise")
        with pytest.raises(OSError, match="failpoint"):
            raw.write(SEGMENT, entries())
        failpoints.arm("")
    left = sorted(tmp_path.rglob("*.zst"))
    raw.sweep()
    assert sorted(tmp_path.rglob("*.zst")) == left != []
    raw.write(SEGMENT, entries())
    assert_nothing_unnamed(tmp_path)


def test_a_publisher_that_dies_beside_a_published_segment_leaves_nothing_for_good(tmp_path: Path) -> None:
    raw = Raw(Folder(tmp_path))
    raw.write(SEGMENT, entries())
    with pytest.MonkeyPatch.context() as other_version:
        compressing_otherwise(other_version)
        failpoints.arm("publish.named:raise")
        with pytest.raises(OSError, match="failpoint"):
            raw.write(SEGMENT, entries())
        failpoints.arm("")
    raw.sweep()
    assert_nothing_unnamed(tmp_path)


@pytest.mark.parametrize("stopped_before", ["event_date=", "manifests/"])
def test_a_publisher_that_wakes_after_a_rival_names_nothing_and_leaves_nothing(
    tmp_path: Path, stopped_before: str
) -> None:
    rival = Raw(Folder(tmp_path))

    class Stopped(Folder):
        """Where one publisher is stopped, until another has published the segment and swept."""

        def put(self, key: str, content: bytes) -> None:
            self._wait(key)
            super().put(key, content)

        def create(self, key: str, content: bytes) -> bool:
            self._wait(key)
            return super().create(key, content)

        def _wait(self, key: str) -> None:
            if key.startswith(stopped_before) and not rival.segments():
                other_version.undo()
                rival.write(SEGMENT, entries())
                rival.sweep()

    with pytest.MonkeyPatch.context() as other_version:
        compressing_otherwise(other_version)
        stands = Raw(Stopped(tmp_path)).write(SEGMENT, entries())
    assert stands == rival.manifest(SEGMENT)
    assert_nothing_unnamed(tmp_path)


def test_a_damaged_manifest_is_written_anew_by_who_still_has_the_segment(tmp_path: Path) -> None:
    raw = Raw(Folder(tmp_path))
    raw.write(SEGMENT, entries())
    (manifest,) = (tmp_path / "manifests").iterdir()
    content = bytearray(manifest.read_bytes())
    content[len(content) // 2] ^= 1
    manifest.write_bytes(content)
    raw.write(SEGMENT, entries())
    assert_nothing_unnamed(tmp_path)


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
