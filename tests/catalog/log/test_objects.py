"""The log in an object store: who gets a name, what a writer that was away is told, and what stays behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from catalog import failpoints
from catalog.errors import CorruptFrame, NotDurable, SegmentLocked
from catalog.log import grown, objects, reader
from catalog.log.frames import FOOTER_BYTES, HEADER_BYTES, encode_body
from catalog.log.grown import TRUSTED_S, group_key, head_key
from catalog.log.objects import TAKEOVER_S, TOMBSTONE_S, ObjectLog
from catalog.log.port import Bad
from catalog.log.writer import Writer, WriterConfig
from catalog.objects.folder import Folder
from catalog.objects.port import Listed
from tests.catalog.log.builders import SMALL, FakeClock, envelope, envelopes

OLD = WriterConfig(segment_bytes=1 << 26, segment_age_s=1e9, min_free_bytes=0)
"""Never seals by age."""


class Counted(Folder):
    """Objects that tell how often they were asked, and let a test come in between."""

    asked = 0
    loses_answers = False
    before_listing: Callable[[], object] = staticmethod(lambda: None)

    def create(self, key: str, content: bytes) -> bool:
        return super().create(key, content) and not self.loses_answers

    def get(self, key: str) -> bytes:
        self.asked += 1
        return super().get(key)

    def list(self, folder: str, after: str = "") -> Iterator[Listed]:
        self.asked += 1
        self.before_listing()
        return super().list(folder, after)


class Bench:
    """One log, its writers, and a rival that may take segments over at once."""

    def __init__(self, root: Path) -> None:
        self.objects, self.clock = Counted(root), FakeClock()
        self.log = ObjectLog(self.objects, self.clock)
        self.rival = ObjectLog(self.objects, FakeClock(), takeover_s=0)

    def writer(self, config: WriterConfig = SMALL) -> Writer:
        return self.log.writer(config)

    def read(self) -> list[int]:
        """The numbers of the events that stand in the log."""
        found = [
            at.envelope
            for segment in self.log.segments()
            for at in self.log.read(segment.name, segment.start, segment.end)
        ]
        return sorted(each.received_us % 1_000 for each in found if each is not None)

    def keys(self, folder: str = "groups") -> list[str]:
        return [each.key for each in self.objects.list(folder)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "log")


@pytest.fixture(autouse=True)
def _disarm() -> Iterator[None]:
    yield
    failpoints.observe(None)


def once(name: str, act: object) -> None:
    """Do something the first time this point is passed."""
    assert callable(act)

    def see(passed: str) -> None:
        if passed == name:
            failpoints.observe(None)
            act()

    failpoints.observe(see)


async def fails(writer: Writer, *numbers: int) -> NotDurable:
    with pytest.raises(NotDurable) as raised:
        await writer.append(envelopes(*numbers))
    return raised.value


def test_a_group_is_an_object_and_its_name_where_the_one_before_ended(bench: Bench) -> None:
    async def steps() -> None:
        writer = bench.writer()
        await writer.append(envelopes(1))
        await writer.append(envelopes(2, 3))
        await writer.close()

    asyncio.run(steps())
    (segment,) = bench.log.segments()
    found = list(bench.objects.list("groups"))
    at = HEADER_BYTES
    for each in found:
        assert each.key == group_key(segment.name, at)
        at += each.size_bytes
    assert [each.size_bytes == FOOTER_BYTES for each in found] == [False, False, True]
    assert (segment.start, segment.end) == (HEADER_BYTES, at - FOOTER_BYTES)


@pytest.mark.parametrize("lives_on", ["sealed", "deleted"])
def test_a_writer_whose_segment_was_taken_over_is_told_and_begins_another(
    bench: Bench, lives_on: str
) -> None:
    async def steps() -> None:
        writer = bench.writer()
        await writer.append(envelopes(1))
        (live,) = bench.log.segments()
        assert bench.rival.recover(live.name) == live._replace(sealed=True)
        if lives_on == "deleted":
            bench.rival.delete(live.name)
        assert (await fails(writer, 2)).fields["segment"] == live.name
        assert not writer.is_healthy
        await writer.append(envelopes(3))
        assert writer.is_healthy
        await writer.close()

    asyncio.run(steps())
    assert bench.read() == ([1, 3] if lives_on == "sealed" else [3])


def test_a_lost_answer_is_no_lost_segment(bench: Bench) -> None:
    bench.objects.loses_answers = True

    async def steps() -> None:
        writer = bench.writer()
        await writer.append(envelopes(1))
        await writer.append(envelopes(2))
        await writer.close()

    asyncio.run(steps())
    (segment,) = bench.log.segments()
    assert segment.sealed
    assert bench.read() == [1, 2]


@pytest.mark.parametrize("point", ["object.synced", "log.named", "log.synced", "log.sealed"])
@pytest.mark.parametrize("at", range(4))
def test_a_crash_anywhere_leaves_what_was_acknowledged(bench: Bench, point: str, at: int) -> None:
    acknowledged, passed = [], 0

    def die(name: str) -> None:
        nonlocal passed
        passed += name == point
        if passed > at:
            raise OSError(5, "dead")

    async def steps() -> None:
        writer = bench.writer()
        for n in range(3):
            await writer.append(envelopes(n))
            acknowledged.append(n)
        await writer.close()

    failpoints.observe(die)
    with suppress(NotDurable):
        asyncio.run(steps())
    failpoints.observe(None)
    for segment in bench.log.segments():
        bench.rival.recover(segment.name)
    assert all(segment.sealed for segment in bench.log.segments())
    found = bench.read()
    assert len(found) == len(set(found))
    assert set(acknowledged) <= set(found)


def test_a_group_that_comes_before_the_seal_is_taken_in(bench: Bench) -> None:
    async def steps() -> None:
        writer = bench.writer()
        await writer.append(envelopes(1))
        (live,) = bench.rival.segments()
        late = group_key(live.name, live.end)
        # The rival has read everything and is about to seal; then the writer's group is there first.
        once("object.synced", lambda: writer._sink.flush([encode_body(envelope(2))]))
        sealed = bench.rival.recover(live.name)
        assert sealed.sealed
        assert sealed.end > live.end
        assert bench.objects.get(late)
        await fails(writer, 3)

    asyncio.run(steps())
    assert bench.read() == [1, 2]
    assert bench.log.salvage(bench.log.segments()[0].name)[1] == []


def test_two_who_seal_at_once_agree(bench: Bench) -> None:
    async def steps() -> None:
        writer = bench.writer()
        await writer.append(envelopes(1))
        once("object.synced", lambda: bench.rival.recover(bench.log.segments()[0].name))
        await writer.close()

    asyncio.run(steps())
    (segment,) = bench.log.segments()
    assert segment.sealed
    assert bench.log.salvage(segment.name)[1] == []


def test_a_segment_that_grows_is_not_taken_over(bench: Bench) -> None:
    async def steps() -> None:
        writer = bench.writer(OLD)
        await writer.append(envelopes(1))
        (live,) = bench.log.segments()
        bench.clock.seconds = TAKEOVER_S - 1
        await writer.append(envelopes(2))
        bench.log.segments()
        bench.clock.seconds = 2 * TAKEOVER_S - 2
        with pytest.raises(SegmentLocked):
            bench.log.recover(live.name)
        bench.clock.seconds = 2 * TAKEOVER_S - 1
        assert bench.log.recover(live.name).sealed

    asyncio.run(steps())


def test_after_the_tombstone_is_gone_no_writer_trusts_its_segment(bench: Bench) -> None:
    assert TOMBSTONE_S >= 2 * TRUSTED_S

    async def steps() -> None:
        writer = bench.writer(OLD)
        await writer.append(envelopes(1))
        (live,) = bench.log.segments()
        bench.rival.recover(live.name)
        bench.rival.delete(live.name)

        bench.objects.delete(bench.keys())

        def sleep() -> None:
            bench.clock.seconds += TRUSTED_S

        once("object.synced", sleep)
        assert "too long" in str((await fails(writer, 2)).fields["reason"])
        bench.clock.seconds += TRUSTED_S
        await writer.append(envelopes(3))
        await writer.close()

    asyncio.run(steps())
    assert bench.read() == [3]


def test_between_groups_the_same_holds(bench: Bench) -> None:
    async def steps() -> None:
        writer = bench.writer(OLD)
        await writer.append(envelopes(1))
        (live,) = bench.log.segments()
        bench.rival.recover(live.name)
        bench.rival.delete(live.name)
        bench.objects.delete(bench.keys())
        bench.clock.seconds += TRUSTED_S
        await writer.append(envelopes(2))
        await writer.close()
        assert live.name not in {each.name for each in bench.log.segments()}

    asyncio.run(steps())
    assert bench.read() == [2]


def test_deleting_leaves_a_tombstone_and_a_later_deletion_removes_it(bench: Bench) -> None:
    names = [sealed(bench, n) for n in range(2)]
    bench.log.delete(names[0])
    assert len(bench.keys(f"groups/{names[0]}")) == 1
    bench.log.delete(names[0])
    bench.clock.seconds += TOMBSTONE_S
    bench.log.delete(names[1])
    assert bench.keys(f"groups/{names[0]}") == []
    assert len(bench.keys(f"groups/{names[1]}")) == 1


def sealed(bench: Bench, n: int, groups: int = 2) -> str:
    before = {each.name for each in bench.log.segments()}

    async def steps() -> None:
        writer = bench.writer()
        for _ in range(groups):
            await writer.append(envelopes(n))
        await writer.close()

    asyncio.run(steps())
    (name,) = {each.name for each in bench.log.segments()} - before
    return name


def test_a_deletion_that_came_to_no_end_is_finished_by_a_sweep(bench: Bench) -> None:
    gone, stays = sealed(bench, 1), sealed(bench, 2)
    kept = bench.keys(f"groups/{stays}")
    bench.objects.delete([head_key(gone)])
    *groups, tombstone = bench.keys(f"groups/{gone}")
    assert bench.log.sweep() == groups
    assert bench.log.sweep() == []
    path = bench.objects.root / tombstone
    os.utime(path, (path.stat().st_mtime - TOMBSTONE_S - 1,) * 2)
    assert bench.log.sweep() == [tombstone]
    assert bench.keys() == kept
    assert bench.read() == [2, 2]


def test_a_segment_without_frames_is_removed_by_whoever_recovers_it(bench: Bench) -> None:
    def die() -> None:
        raise OSError(5, "gone")

    once("log.named", die)
    asyncio.run(fails(bench.writer(), 1))
    (empty,) = bench.log.segments()
    assert (empty.start, empty.sealed) == (empty.end, False)
    once("log.sealed", die)
    with pytest.raises(OSError, match="gone"):
        bench.rival.recover(empty.name)
    assert bench.log.segments() == [empty]
    assert bench.log.recover(empty.name) == empty._replace(sealed=True)
    assert bench.log.segments() == []


def test_a_segment_is_sealed_after_so_many_groups(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grown, "MAX_GROUPS", 2)
    sealed_ones = []

    async def steps() -> None:
        writer = bench.writer()
        for n in range(5):
            await writer.append(envelopes(n))
        sealed_ones.extend(each.sealed for each in bench.log.segments())
        await writer.close()

    asyncio.run(steps())
    assert sorted(sealed_ones) == [False, True, True]
    assert bench.read() == [0, 1, 2, 3, 4]


def test_what_is_sealed_is_not_asked_for_again(bench: Bench) -> None:
    for n in range(3):
        sealed(bench, n)
    bench.log.segments()
    bench.objects.asked = 0
    assert all(segment.sealed for segment in bench.log.segments())
    assert bench.objects.asked == 1


def test_a_log_of_very_many_segments_is_remembered_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "SEEN", 2)
    for n in range(3):
        sealed(bench, n)
    asyncio.run(bench.writer(OLD).append(envelopes(7)))
    bench.log.segments()
    bench.objects.asked = 0
    (live,) = (segment for segment in bench.log.segments() if not segment.sealed)
    assert bench.objects.asked == 2  # the names, and what is new of the one that grows
    bench.clock.seconds += TAKEOVER_S
    bench.log.segments()
    assert bench.log.recover(live.name).sealed


def test_an_object_larger_than_the_cache_is_fetched_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = sealed(bench, 1, groups=1)
    monkeypatch.setattr(objects, "CACHE_BYTES", 1)
    monkeypatch.setattr(reader, "_WINDOW_BYTES", 8)
    fresh = ObjectLog(bench.objects, bench.clock)
    (segment,) = fresh.segments()
    bench.objects.asked = 0
    assert len(fresh.read(name, segment.start, segment.end)) == 1
    assert bench.objects.asked == 1


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_lost_group_is_damage_and_not_an_end(bench: Bench, which: int) -> None:
    name = sealed(bench, 1, groups=3)
    keys = bench.keys(f"groups/{name}")
    bench.objects.delete([keys[which]])
    at = int(keys[which].rpartition("/")[2])
    fresh = ObjectLog(bench.objects, bench.clock)
    (segment,) = fresh.segments()
    scan = fresh.scan(name, segment.start, 10)
    assert (scan.frames, scan.corrupt_at) == (which, at)
    with pytest.raises(CorruptFrame):
        fresh.read(name, segment.start, segment.end)
    assert fresh.scan(name, segment.start, 10, frozenset({at})).frames == 3
    assert fresh.salvage(name)[1] == [Bad(name, at, "frame")]


def test_whoever_reads_while_a_rival_deletes_finds_nothing_or_everything(bench: Bench) -> None:
    name = sealed(bench, 1, groups=3)
    (segment,) = bench.log.segments()
    first, *_ = bench.keys(f"groups/{name}")
    knowing, asking = (ObjectLog(bench.objects, bench.clock) for _ in range(2))
    knowing.segments()
    bench.objects.before_listing = lambda: bench.objects.delete([head_key(name), first])
    for log in (asking, knowing, asking):
        with pytest.raises(LookupError):
            log.read(name, segment.start, segment.end)


def test_a_damaged_header_and_footer_are_told(bench: Bench) -> None:
    name = sealed(bench, 1)
    footer = bench.keys(f"groups/{name}")[-1]
    for key, what in ((head_key(name), ["header", "footer"]), (footer, ["frame"])):
        whole = bench.objects.get(key)
        bench.objects.put(key, whole[:-1] + bytes([whole[-1] ^ 1]))
        assert [bad.what for bad in ObjectLog(bench.objects, bench.clock).salvage(name)[1]] == what
        bench.objects.put(key, whole)
    assert ObjectLog(bench.objects, bench.clock).salvage(name)[1] == []
