"""A home from first line to raw layer, again and again: timelines on the plain runtime, in this process."""

import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from benchmarks.faults import process
from catalog.clock import Clock
from catalog.errors import ChainBroken, CorruptFrame, Unavailable
from catalog.lake import read
from catalog.lake.commit import Head, Lake
from catalog.lake.rebuild import source_seq
from catalog.raw import Raw
from catalog.tables import COMPLAINTS, EVENTS
from cluster.checks import find_event, give_up, is_idle, ledger_home, redecide_home, verify_home
from cluster.settings import Settings
from cluster.wiring import Stores, open_stores
from pipelines.curate import Curator, Learned
from pipelines.maintain import Maintainer
from pipelines.publish import Publisher
from pipelines.status import status
from tests.homes import append, line, run, small


def rows(stores: Stores) -> list[dict[str, object]]:
    found = read.rows(stores.lake(), EVENTS.name, 1, 10_000)
    return list(found.to_pylist())


def assert_sound(stores: Stores, events: int) -> None:
    assert verify_home(stores)._replace(ok=True) == (True, [], [], [], [], 0)
    ledger = ledger_home(stores)
    assert ledger.balanced
    assert sum(ledger.total[kind] for kind in ("accepted", "duplicate", "quarantined")) == events


def test_every_event_is_one_row_and_leaves_the_log(tmp_path: Path) -> None:
    settings = small(tmp_path)
    sent = append(settings, [line(i) for i in range(300)])
    assert not is_idle(settings)
    assert find_event(open_stores(settings), sent[5])["state"] == "pending"
    run(settings)
    stores = open_stores(settings)
    assert is_idle(settings)
    assert sorted(str(row["event_id"]) for row in rows(stores)) == sorted(sent)
    assert stores.log.segments() == []
    assert len(stores.raw.segments()) > 3
    assert_sound(stores, 300)
    found = find_event(stores, sent[5])
    assert (found["state"], found["plan"], found["disposition"]) == ("committed", 1, "accepted")
    assert Path(found["data_file"]).exists()
    assert find_event(stores, "0" * 32)["state"] == "unknown"


def test_the_same_events_again_leave_no_row(tmp_path: Path) -> None:
    settings = small(tmp_path)
    lines = [line(i) for i in range(120)]
    sent = append(settings, lines)
    run(settings)
    before = rows(open_stores(settings))
    shutil.rmtree(tmp_path / "state")  # the memory is derived from the table
    assert sorted(append(settings, lines[::-1])) == sorted(sent)
    run(settings)
    assert rows(open_stores(settings)) == before
    assert ledger_home(open_stores(settings)).total["redelivered"] == 120
    assert_sound(open_stores(settings), 120)


def test_other_bytes_under_a_known_id_are_one_conflict(tmp_path: Path) -> None:
    settings = small(tmp_path)
    append(settings, [line(1), line(1, "other bytes")])
    append(settings, [line(1, "other bytes"), line(1), line(1, "third bytes")])
    run(settings)
    reasons = sorted(str(row["reason"]) for row in rows(open_stores(settings)))
    assert reasons == ["None", "idempotency_conflict", "idempotency_conflict"]
    assert ledger_home(open_stores(settings)).total["redelivered"] == 2
    assert_sound(open_stores(settings), 3)


def test_nothing_is_committed_when_idle(tmp_path: Path) -> None:
    settings = small(tmp_path)
    append(settings, [line(i) for i in range(10)])
    run(settings)
    seq, files = (
        open_stores(settings).lake().head(EVENTS.name).commit_seq,
        len(list(tmp_path.rglob("*.json"))),
    )
    run(settings)
    assert open_stores(settings).lake().head(EVENTS.name).commit_seq == seq
    assert len(list((tmp_path / "warehouse" / "structured").rglob("*.metadata.json"))) <= files


def test_no_payload_stops_the_line(tmp_path: Path) -> None:
    settings = small(tmp_path)
    times = (
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:00",
        "2025-01-01T00:00:00Z",
    )
    texts = ['"\\u0000"', '""', f'"{"x" * 300_000}"', '"\\ud800"', "1e999", '"\U0001f4a5 n\u0303"']
    lines = [
        f'{{"channel":"sms","source":"gw","payload":{{"id":"{i}-{k}","text":{text},"event_time":"{time}"}}}}'
        for i, text in enumerate(texts)
        for k, time in enumerate(times)
    ]
    sent = append(settings, [each.encode() for each in lines])
    run(settings)
    assert_sound(open_stores(settings), len(sent))
    assert redecide_home(settings).ok
    assert {row["reason"] for row in rows(open_stores(settings))} > {
        None,
        "event_time_future",
        "event_time_too_old",
    }


@pytest.mark.parametrize("batch_rows", [1, 64, 4_096])
def test_decisions_do_not_depend_on_the_batch(tmp_path: Path, batch_rows: int) -> None:
    settings = small(tmp_path, batch_rows=7)
    append(
        settings, [line(i, f"the same words again and again {i % 9}" if i % 3 else "") for i in range(150)]
    )
    run(settings)
    again = redecide_home(replace(settings, batch_rows=batch_rows))
    assert again == (True, 150, [])


def test_redecide_sees_a_decision_that_differs(tmp_path: Path) -> None:
    settings = small(tmp_path)
    append(settings, [line(i) for i in range(20)])
    run(settings)
    paths = read.data_files(open_stores(settings).lake(), EVENTS.name).paths
    table = parquet.ParquetFile(paths[0]).read()
    place = table.schema.get_field_index("disposition")
    changed = table.set_column(
        place, table.schema.field(place), pa.array(["duplicate"] * len(table), table.schema.field(place).type)
    )
    parquet.write_table(changed, paths[0])
    assert len(redecide_home(settings).different) == table.num_rows


def test_an_older_control_database_stops_everything(tmp_path: Path) -> None:
    settings = small(tmp_path)
    append(settings, [line(i) for i in range(60)])
    run(settings)
    shutil.copy(tmp_path / "control.db", tmp_path / "backup.db")
    append(settings, [line(i) for i in range(60, 200)])
    run(settings)
    newer = open_stores(settings).lake().head(EVENTS.name)
    for name in ("control.db", "control.db-wal", "control.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "backup.db").rename(tmp_path / "control.db")
    append(settings, [line(i) for i in range(200, 220)])
    with pytest.raises(ChainBroken, match="bring back the control database"):
        run(settings)
    stores = open_stores(settings)
    assert stores.lake().head(EVENTS.name) == newer
    found = status(stores.log, stores.plans, newer, stores.clock.now_us())
    assert found.stopped


def test_a_corrupt_frame_stops_its_segment_only_until_it_is_given_up(tmp_path: Path) -> None:
    settings = small(tmp_path, segment_bytes=1 << 20)
    append(settings, [line(i) for i in range(30)])
    (damaged,) = (tmp_path / "log").glob("*.sealed")
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 4
    damaged.write_bytes(content)
    append(settings, [line(i) for i in range(30, 60)])
    with pytest.raises(CorruptFrame, match="beejan log quarantine"):
        run(settings)
    stores = open_stores(settings)
    done = len(rows(stores))
    assert 30 < done < 60
    (stop,) = status(stores.log, stores.plans, stores.lake().head(EVENTS.name), 0).stopped
    assert stop.offset is not None
    given = give_up(stores, damaged.stem, stop.offset)
    run(settings)
    found = {row["event_id"]: row["reason"] for row in rows(open_stores(settings))}
    assert len(found) == 60
    assert found[given["event_id"]] == "frame_corrupt"
    assert_sound(open_stores(settings), 60)
    assert redecide_home(settings).ok
    assert open_stores(settings).log.segments() == []


@pytest.mark.parametrize("died_at", ["publish.named", "publish.manifest"])
def test_a_committed_frame_that_is_damaged_while_it_is_published_keeps_its_row(
    tmp_path: Path, died_at: str
) -> None:
    settings = small(tmp_path, segment_bytes=1 << 20)
    sent = append(settings, [line(i) for i in range(30)])
    with process.Child(tmp_path, lambda: run(settings), f"{died_at}:kill@1") as child:
        assert child.wait() == process.KILLED
    (damaged,) = (tmp_path / "log").glob("*.sealed")
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 4
    damaged.write_bytes(content)
    with pytest.raises(CorruptFrame, match="beejan log quarantine"):
        run(settings)
    stores = open_stores(settings)
    (stop,) = status(stores.log, stores.plans, stores.lake().head(EVENTS.name), 0).stopped
    assert stop.offset is not None
    assert give_up(stores, damaged.stem, stop.offset)["reason"] == "frame_lost"
    run(settings)
    assert sorted(str(row["event_id"]) for row in rows(open_stores(settings))) == sorted(sent)
    assert_sound(open_stores(settings), 30)
    assert open_stores(settings).log.segments() == []


def test_a_frame_that_is_twice_in_the_raw_layer_is_seen_before_the_hot_copy_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small(tmp_path, segment_bytes=1 << 20)
    append(settings, [line(i) for i in range(30)])
    read_back = Raw.read
    with monkeypatch.context() as doubled:
        doubled.setattr(Raw, "read", lambda raw, name: [at for at in read_back(raw, name) for _ in range(2)])
        with pytest.raises(CorruptFrame, match="raw files differ"):
            run(settings)
    assert len(open_stores(settings).log.segments()) == 1
    run(settings)
    assert_sound(open_stores(settings), 30)


def test_a_segment_that_is_nowhere_any_more_is_told(tmp_path: Path) -> None:
    settings = small(tmp_path, segment_bytes=1 << 20)
    append(settings, [line(i) for i in range(30)])
    with process.Child(tmp_path, lambda: run(settings), "publish.named:kill@1") as child:
        assert child.wait() == process.KILLED
    for path in (tmp_path / "log").iterdir():
        path.unlink()
    with pytest.raises(CorruptFrame, match="neither in the log nor in the raw layer"):
        run(settings)


def planned_and_damaged(home: Path, run_on: Settings, bytes_at: slice) -> Path:
    """A home whose one plan is written and not decided, with some bytes of its segment zeroed since."""
    with process.Child(home, lambda: run(run_on), "decide.pure:kill@1") as child:
        assert child.wait() == process.KILLED
    (damaged,) = (home / "log").glob("*.sealed")
    content = bytearray(damaged.read_bytes())
    content[bytes_at] = bytes(bytes_at.stop - bytes_at.start)
    damaged.write_bytes(content)
    return damaged


@pytest.mark.parametrize("length", [4, 1_500])  # within one frame, and over several
def test_frames_that_go_bad_after_they_were_planned_have_a_way_out(tmp_path: Path, length: int) -> None:
    settings = small(tmp_path, segment_bytes=1 << 20)
    append(settings, [line(i, channel=("sms", "social")[i % 2]) for i in range(30)])
    damaged = planned_and_damaged(tmp_path, settings, slice(5_000, 5_000 + length))
    with pytest.raises(CorruptFrame, match="beejan log quarantine"):
        run(settings)
    stores = open_stores(settings)
    (stop,) = status(stores.log, stores.plans, stores.lake().head(EVENTS.name), 0).stopped
    assert stop.offset is not None
    assert give_up(stores, damaged.stem, stop.offset)["reason"] == "frame_corrupt"
    run(settings)
    assert_sound(open_stores(settings), 30)
    assert redecide_home(settings) == (True, 30, [])
    quarantined = ledger_home(open_stores(settings)).total["quarantined"]
    assert quarantined == 1 if length == 4 else quarantined > 2
    assert open_stores(settings).log.segments() == []


def test_a_published_segment_whose_file_comes_back_is_removed_again(tmp_path: Path) -> None:
    settings = small(tmp_path, segment_bytes=1 << 20)
    append(settings, [line(i) for i in range(30)])
    (sealed,) = (tmp_path / "log").glob("*.sealed")
    shutil.copy(sealed, tmp_path / "copy")
    run(settings)
    shutil.copy(tmp_path / "copy", sealed)
    run(settings)
    assert not sealed.exists()
    assert_sound(open_stores(settings), 30)
    assert ledger_home(open_stores(settings)).total["redelivered"] == 0


def test_a_published_segment_that_comes_back_unsealed_and_damaged_stops_nothing_but_itself(
    tmp_path: Path,
) -> None:
    settings = small(tmp_path, segment_bytes=1 << 20)
    append(settings, [line(i) for i in range(30)])
    (sealed,) = (tmp_path / "log").glob("*.sealed")
    content = sealed.read_bytes()
    run(settings)
    append(settings, [line(i) for i in range(30, 60)])
    came_back = sealed.with_suffix(".log")
    came_back.write_bytes(content[:5_000])
    sealed.with_suffix(".durable").write_bytes(b"damaged too")
    with pytest.raises(CorruptFrame, match="remove its files"):
        run(settings)
    assert source_seq(open_stores(settings).lake(), COMPLAINTS.name) == 2
    for path in (came_back, sealed.with_suffix(".durable")):
        path.unlink()
    stores, stopped = open_stores(settings), {sealed.stem: CorruptFrame("it came back damaged")}
    Publisher(stores.log, stores.raw, stores.plans, stores.clock, stopped).turn(2)
    assert stopped == {}  # nor does a run that goes on hold it against anybody
    run(settings)
    assert_sound(open_stores(settings), 60)


def test_an_error_that_passes_forgets_nothing_that_was_learned_of_the_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[Head | None] = []

    def noted(lake: Lake, clock: Clock, every_s: float, learned: Learned) -> Curator:
        known.append(learned.head)
        return Curator(lake, clock, every_s, learned)

    def fails_once(_: object, commit_seq: int) -> bool:
        if commit_seq and len(known) == 1:
            raise Unavailable("a server is away")
        return False

    monkeypatch.setattr("cluster.wiring.Curator", noted)
    monkeypatch.setattr(Maintainer, "turn", fails_once)
    settings = small(tmp_path)
    append(settings, [line(i) for i in range(60)])
    run(settings)
    assert [head and head.commit_seq for head in known] == [None, 1]
    assert_sound(open_stores(settings), 60)


def test_the_ledger_balances_between_a_commit_and_its_row(tmp_path: Path) -> None:
    settings = small(tmp_path)
    append(settings, [line(i) for i in range(120)])
    with process.Child(tmp_path, lambda: run(settings), "commit.swapped:kill@2") as child:
        assert child.wait() == process.KILLED
    found = ledger_home(open_stores(settings))
    assert (found.commit_seq, found.balanced, found.total["accepted"]) == (2, True, 100)
