"""What is durable of the memory: all of a checkpoint or none of it, and nothing that cannot be trusted."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import lmdb
import numpy as np
import pytest

from actors.dedup.memory import Memory, Position
from catalog import failpoints
from catalog.errors import MemoryBehind, WrongVersion
from tests.actors.dedup.streams import Event, Warehouse, cut, random_events, run_straight

EVENTS = random_events(1, 80)


def learnt(folder: Path, **options: int) -> Memory:
    """A memory that knows one plan of EVENTS, not yet durable."""
    rows = run_straight(folder / "source", [EVENTS]).rows[0]
    memory = Memory(folder / "memory", 4, **options)
    memory.learn(rows, Position(1, "chain"))
    return memory


def content(memory: Memory) -> list[dict[bytes, bytes] | dict[int, bytes]]:
    """Everything it answers about EVENTS."""
    rows = run_straight(memory._folder.parent / "again", [EVENTS]).rows[0]
    shutil.rmtree(memory._folder.parent / "again")
    keys = [bytes.fromhex(name) for name in rows["event_id"].to_pylist()]
    bands = {band for bands in rows["band_hashes"].to_pylist() for band in bands or []}
    hashes = np.sort(np.array(list(bands), dtype=np.int64).view(np.uint64))
    return [memory.digests(keys), memory.events(keys), memory.buckets(hashes)]


def test_a_checkpoint_holds_what_was_learnt(tmp_path: Path) -> None:
    memory = learnt(tmp_path)
    before = content(memory)
    assert all(before)
    memory.checkpoint()
    assert content(memory) == before
    memory.close()
    again = Memory(tmp_path / "memory", 4)
    assert again.position == (1, "chain")
    assert content(again) == before
    again.close()


def test_a_full_map_grows_and_loses_nothing(tmp_path: Path) -> None:
    memory = learnt(tmp_path, map_bytes=1 << 16)
    before = content(memory)
    memory.checkpoint()
    assert (tmp_path / "memory" / "data.mdb").stat().st_size > 1 << 16
    assert content(memory) == before
    memory.close()


def test_a_bucket_keeps_its_last_events(tmp_path: Path) -> None:
    made = Warehouse(tmp_path, bucket_limit=3)
    for i in range(8):
        made.step([Event(f"e{i}", "same words in every one", i)])
        if i % 2:
            made.dedup.checkpoint()
    rows = made.rows[0]
    hashes = np.sort(np.array(rows["band_hashes"][0].as_py(), dtype=np.int64).view(np.uint64))
    last = b"".join(bytes.fromhex(rows["event_id"][0].as_py()) for rows in made.rows[-3:])
    assert set(made.dedup._memory.buckets(hashes).values()) == {last}
    made.dedup.close()


@pytest.mark.parametrize("seed", range(3))
def test_what_is_caught_up_is_what_was_learnt(tmp_path: Path, seed: int) -> None:
    made = Warehouse(tmp_path)
    for events in cut(random_events(seed, 120), seed):
        made.step(events)
    made.dedup.checkpoint()
    learnt_content = whole(made)
    assert all(learnt_content)
    made.dedup.reset()
    made.catch_up(seed)
    made.dedup.checkpoint()
    assert whole(made) == learnt_content
    made.dedup.close()


def whole(made: Warehouse) -> list[list[tuple[bytes, bytes]]]:
    """Every entry of the checkpoint."""
    memory = made.dedup._memory
    with memory._env.begin() as txn:
        return [list(txn.cursor(memory._databases[name])) for name in (b"ids", b"events", b"buckets")]


@pytest.mark.parametrize("damage", ["truncated", "scribbled", "not a map"])
def test_a_damaged_checkpoint_starts_empty_and_is_caught_up(tmp_path: Path, damage: str) -> None:
    made = Warehouse(tmp_path)
    made.step(EVENTS)
    made.dedup.checkpoint()
    made.dedup.close()
    data = tmp_path / "memory" / "data.mdb"
    whole = data.read_bytes()
    data.write_bytes(
        {
            "truncated": whole[: len(whole) // 2],
            "scribbled": b"\xff" * 8192 + whole[8192:],
            "not a map": b"not a map",
        }[damage]
    )
    made.crash()
    assert made.dedup.position() == (0, "")
    made.catch_up()
    assert len(made.decide(EVENTS).rows) == 0
    made.dedup.close()


def test_damage_found_while_deciding_empties_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Warehouse(tmp_path)
    made.step(EVENTS[:40])
    made.dedup.checkpoint()

    def damaged(*_: object) -> None:
        raise lmdb.CorruptedError("a page is not what it should be")

    with monkeypatch.context() as patch:
        patch.setattr(Memory, "_own", damaged)
        with pytest.raises(MemoryBehind) as behind:
            made.decide(EVENTS[40:])
    assert behind.value.fields == {"have": 0, "need": 1}
    made.catch_up()
    made.step(EVENTS[40:])
    assert made.decided() == run_straight(tmp_path / "straight", [EVENTS[:40], EVENTS[40:]]).decided()
    made.dedup.close()


def test_another_format_is_refused(tmp_path: Path) -> None:
    learnt(tmp_path).close()
    with lmdb.open(str(tmp_path / "memory")) as env, env.begin(write=True) as txn:
        txn.put(b"format", b"1")
    for _ in range(2):
        with pytest.raises(WrongVersion):
            Memory(tmp_path / "memory", 4).digests([])


def test_another_bucket_limit_starts_empty(tmp_path: Path) -> None:
    memory = learnt(tmp_path)
    memory.checkpoint()
    memory.close()
    other = Memory(tmp_path / "memory", 5)
    assert other.position == (0, "")
    other.close()


def test_files_and_folders_are_synced_before_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def recorded(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    memory = Memory(tmp_path / "memory", 4)
    assert memory.position == (0, "")
    memory.close()
    folder = tmp_path / "memory"
    assert synced == [str(folder / "data.mdb"), str(folder / "lock.mdb"), str(folder), str(tmp_path)]


def checkpoint_elsewhere(folder: Path, failpoint: str) -> None:
    made = Warehouse(folder)
    made.step(EVENTS[:40])
    made.dedup.checkpoint()
    made.step(EVENTS[40:])
    failpoints.arm(failpoint)
    made.dedup.checkpoint()
    made.dedup.close()


def run_elsewhere(folder: Path, failpoint: str) -> int | None:
    """The exit code of another process that decides EVENTS and writes two checkpoints."""
    process = multiprocessing.get_context("spawn").Process(
        target=checkpoint_elsewhere, args=(folder, failpoint)
    )
    process.start()
    process.join()
    return process.exitcode


@pytest.mark.parametrize(("point", "seq"), [("checkpoint.begun", 1), ("checkpoint.written", 2)])
def test_a_kill_leaves_a_whole_checkpoint(tmp_path: Path, point: str, seq: int) -> None:
    assert run_elsewhere(tmp_path, f"{point}:kill@1") == -signal.SIGKILL
    made = Warehouse(tmp_path)
    assert made.dedup.position() == (seq, f"chain {seq}")
    made.dedup.close()


@pytest.mark.parametrize("map_bytes", [1 << 28, 1 << 16])
def test_another_process_s_checkpoint_is_noticed(
    tmp_path: Path, map_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Memory.__init__, "__defaults__", (map_bytes,))
        made = Warehouse(tmp_path)
    made.step(EVENTS[:40])
    made.decide(EVENTS[40:])
    assert run_elsewhere(tmp_path, "") == 0
    with pytest.raises(MemoryBehind):
        made.dedup.checkpoint()
    assert made.dedup.position() == (2, "chain 2")
    with pytest.raises(MemoryBehind):
        made.dedup.promote(2, "chain 2 of ours")
    made.dedup.close()


def test_another_process_s_checkpoint_is_noticed_while_deciding(tmp_path: Path) -> None:
    made = Warehouse(tmp_path)
    made.step(EVENTS[:40])
    made.decide(EVENTS[40:])
    assert run_elsewhere(tmp_path, "") == 0
    with pytest.raises(MemoryBehind) as behind:
        made.decide(EVENTS[40:])
    assert behind.value.fields == {"have": 2, "need": 1}
    with pytest.raises(MemoryBehind):
        made.dedup.promote(2, "chain 2 of ours")
    made.dedup.close()
