"""The same commands on servers: PostgreSQL and an S3 store, and nothing that matters on the node."""

from __future__ import annotations

import itertools
import json
import shutil
import stat
from pathlib import Path

import msgspec
import pytest

from actors.dedup.dedup import Dedup
from catalog.errors import BadInput, Unavailable
from catalog.lake.read import rows as read_rows
from cluster import places as places_module
from cluster import plain, wiring
from cluster.home import Home
from cluster.places import Places, Trino, embedded
from cluster.settings import Settings, read
from cluster.stack.stack import Stack
from cluster.wiring import dedup_config, open_stores
from pipelines.stages.signature import similarities
from tests.cluster.test_cli import answer, beejan
from tests.homes import append, line, run, small
from tests.places import on_servers

RUN = ("run", "--runtime", "plain", "--until-idle")


@pytest.fixture
def places(stack: Stack) -> Places:
    return on_servers(stack, is_empty=False)


@pytest.fixture
def cluster(places: Places, tmp_path: Path) -> Path:
    return places_module.write(places, tmp_path / "cluster.json")


def test_a_day_at_the_console(cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEEJAN_PROFILE", "cluster")
    monkeypatch.setenv("BEEJAN_CLUSTER", str(cluster))
    home = tmp_path / "home"
    sent = beejan(home, "append", "-", lines=[line(i, date=f"2026-11-2{i % 3}") for i in range(30)])
    assert sent.returncode == 0, sent.stderr
    receipts = [json.loads(each)["event_id"] for each in sent.stdout.splitlines()]
    assert answer(home, "verify")["pending"] == 30
    assert answer(home, "event", receipts[7])["state"] == "pending"
    done = beejan(home, *RUN)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert answer(home, "status")["commit_seq"] == 1
    found = answer(home, "ledger")
    assert (found["balanced"], found["total"]["accepted"]) == (True, 30)
    assert answer(home, "redecide") == {"ok": True, "compared": 30, "different": []}
    assert answer(home, "verify")["ok"]
    assert answer(home, "event", receipts[7])["data_file"].startswith("s3://")
    # Another node, which knows nothing but the file of places.
    other = tmp_path / "other"
    days = ("replay", "--from", "2026-11-20", "--to", "2026-11-21")
    assert answer(other, *days) == {"files": 2, "events": 20, "sent": 20}
    assert beejan(other, *RUN).returncode == 0
    assert answer(home, "ledger")["total"]["redelivered"] == 20
    assert answer(home, "verify")["ok"]
    assert {path.name for path in home.iterdir()} == {path.name for path in other.iterdir()} == {"state"}


def test_a_node_that_comes_up_empty_remembers_what_the_table_knows(cluster: Path, tmp_path: Path) -> None:
    same = "the same words from every one of them, again and again, without any end"
    first = small(tmp_path / "first", profile="cluster", cluster=cluster)
    lines = [line(i, same) for i in range(60)]
    append(first, lines)
    run(first)
    # Its memory is lost with the node; what is sent again, or says the same, is known nevertheless.
    shutil.rmtree(tmp_path / "first")
    second = small(tmp_path / "second", profile="cluster", cluster=cluster)
    append(second, [*lines[:20], *(line(i, same) for i in range(60, 80))])
    run(second)
    lake = open_stores(second).lake()
    head = lake.head("structured.events")
    counts = head.totals["sms"]
    assert (counts["received"], counts["accepted"], counts["redelivered"]) == (100, 80, 20)
    linked = read_rows(lake, "structured.events", 0, 99, ["linked_to"])["linked_to"].to_pylist()
    assert linked.count(None) == 1
    memory = Dedup(dedup_config(second), similarities)
    assert memory.position() == (head.commit_seq, head.chain)
    memory.close()


def test_places_hide_their_secrets(places: Places) -> None:
    trino = Trino("a", "b", {"c": "hide"})
    shown = f"{places!r} {places} {places.objects!r} {places.lake!r} {trino!r}"
    password = places.control_url.split(":")[2].split("@")[0]
    assert all(secret not in shown for secret in (password, places.objects.secret, "hide"))


def test_a_home_is_a_place_too(tmp_path: Path) -> None:
    at = embedded(tmp_path)
    assert at.is_local
    assert at.control_url == f"sqlite:///{tmp_path}/control.db"
    assert at.lake.files == {}
    assert places_module.places(Settings(home=tmp_path)) == at


def test_a_new_home_is_its_owner_s_alone_and_one_that_was_there_stays_as_it_is(tmp_path: Path) -> None:
    new, there = Home(tmp_path / "deep" / "new"), Home(tmp_path / "there")
    there.root.mkdir(mode=0o750)
    for home in (new, there):
        home.make()
        home.make()
    assert [stat.S_IMODE(home.root.stat().st_mode) for home in (new, there)] == [0o700, 0o750]


def test_what_was_written_is_read_back(places: Places, cluster: Path) -> None:
    assert places_module.read(cluster) == places
    assert cluster.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [
        (None, 0o600, "cannot be read"),
        (b"{}", 0o600, "is not one"),
        (b'{"secret', 0o600, "is not one"),
        (b"{}", 0o640, "open to others"),
        (b'{"catalog_url":"sqlite:///x","control_url":"secret"', 0o600, "is not one"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_and_not_quoted(
    tmp_path: Path, content: bytes | None, mode: int, told: str
) -> None:
    path = tmp_path / "cluster.json"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    with pytest.raises(BadInput, match=told) as caught:
        places_module.read(path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("change", [{"catalog_url": "sqlite:///x"}, {"warehouse": "/tmp/x"}])
def test_a_cluster_has_no_local_stores(tmp_path: Path, change: dict[str, str]) -> None:

    good = Places(
        "postgresql+psycopg://c",
        "postgresql+psycopg://c",
        places_module.Place("s3://b", "", "", "", ""),
        "s3://b/w",
    )
    places_module.write(good, tmp_path / "good")
    assert places_module.read(tmp_path / "good") == good
    places_module.write(msgspec.structs.replace(good, **change), tmp_path / "bad")
    with pytest.raises(BadInput, match="cluster keeps"):
        places_module.read(tmp_path / "bad")


def test_the_option_goes_before_the_environment_and_finds_the_stack_s_own_file(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEEJAN_STACK", str(cluster.parent))
    monkeypatch.delenv("BEEJAN_CLUSTER", raising=False)
    home = tmp_path / "home"
    assert beejan(home, "append", "-", "--profile", "cluster", lines=[line(1)]).returncode == 0
    assert answer(home, "verify", "--profile", "cluster")["pending"] == 1
    assert answer(home, "verify", "--profile", "embedded")["pending"] == 0
    monkeypatch.setenv("BEEJAN_PROFILE", "cluster")
    assert answer(home, "verify")["pending"] == 1
    assert beejan(home, "verify", "--profile", "both").returncode == 2
    other = read({"BEEJAN_STACK": "/servers", "BEEJAN_CLUSTER": "/elsewhere.json"})
    assert other.cluster == Path("/elsewhere.json")


def test_a_profile_there_is_not_is_refused() -> None:
    with pytest.raises(BadInput, match="no such profile"):
        read({"BEEJAN_PROFILE": "both"})


def test_a_sequencer_that_lost_its_lease_waits_for_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fickle:
        """Lost to another one the first time, which then goes away."""

        acquired, released = 0, 0

        def acquire(self, pause: object, give_up: object) -> bool:
            self.acquired += 1
            return True

        def is_lost(self) -> bool:
            return self.acquired == 1

        def release(self) -> None:
            self.released += 1

    lease = Fickle()
    monkeypatch.setattr(wiring, "_lease", lambda *_: lease)
    settings = small(tmp_path)
    append(settings, [line(1)])
    run(settings)
    assert (lease.acquired, lease.released) == (2, 2)
    assert open_stores(settings).lake().head("structured.events").commit_seq == 1


@pytest.mark.parametrize("step", ["sequencer_config", "_lease"])
def test_servers_that_are_away_at_the_start_are_waited_for(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked, real = itertools.count(), getattr(wiring, step)

    def away_at_first(*given: object) -> object:
        if next(asked) < 2:
            raise Unavailable("a server does not answer")
        return real(*given)

    monkeypatch.setattr(wiring, step, away_at_first)
    settings = small(tmp_path)
    append(settings, [line(1)])
    run(settings)
    assert [message for message in caplog.messages if "waiting to start" in message]
    assert open_stores(settings).lake().head("structured.events").commit_seq == 1


def test_whoever_is_told_to_stop_waits_for_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: object) -> None:
        raise Unavailable("a server does not answer")

    monkeypatch.setattr(wiring, "sequencer_config", away)
    with pytest.raises(Unavailable):
        plain.run(small(tmp_path), False, lambda: True, lambda: False)
