"""The doors' commands without doors: what they refuse, what they say, what they leave behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from catalog.clock import SystemClock
from catalog.control.originals import OriginalReads
from catalog.control.schema import open_control
from catalog.errors import BadInput, Unavailable
from catalog.objects.s3 import Place
from cluster import console, doors_cli, up
from cluster.places import Places, Trino, places, write
from cluster.settings import Settings
from cluster.stack.certificate import self_signed
from cluster.stack.stack import free_ports
from tests.cluster.test_cli import answer, beejan
from tests.homes import append, line, run, small

TOKEN = re.compile(r"bjn_[0-9a-f]{12}_[0-9a-f]{64}\n")
HOLD = "from cluster import settings, up; import signal\nwith up.held(settings.read()): signal.pause()"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.fixture
def settings(tmp_path: Path, own_ports: None) -> Settings:
    """A home and a port that are free."""
    return small(tmp_path / "home", port=free_ports(1)[0])


def test_a_key_is_made_shown_once_rotated_and_revoked(tmp_path: Path) -> None:
    made = beejan(tmp_path, "keys", "create", "gateway", "--channel", "sms", COLUMNS="40")
    assert TOKEN.fullmatch(made.stdout)  # whole, and nothing else, for a shell to take
    key_id = made.stdout.split("_")[1]
    assert key_id in made.stderr
    rotated = beejan(tmp_path, "keys", "rotate", key_id).stdout
    assert TOKEN.fullmatch(rotated)
    assert rotated != made.stdout
    beejan(tmp_path, "keys", "revoke", key_id)
    listed = answer(tmp_path, "keys", "list")
    assert [(key["source"], key["channels"], bool(key["revoked_us"])) for key in listed] == [
        ("gateway", ["sms"], True),
        ("gateway", ["sms"], False),
    ]
    shown = beejan(tmp_path, "keys", "list", COLUMNS="120").stdout
    assert "bjn_" not in shown
    day = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"
    assert re.search(rf"gateway │ ingest │ sms\s+│ {day} │ revoked {day} │", shown)
    assert re.search(rf"gateway │ ingest │ sms\s+│ {day} │ valid\s+│", shown)


def test_reads_of_originals_are_listed_newest_first(tmp_path: Path) -> None:
    settings = small(tmp_path)
    reads = OriginalReads(open_control(places(settings).control_url), SystemClock())
    reads.add("key-1", "event-1")
    reads.add("key-2", "event-2")
    assert [each["key_id"] for each in answer(tmp_path, "keys", "reads")] == ["key-2", "key-1"]
    shown = beejan(tmp_path, "keys", "reads", "--rows", "1", COLUMNS="120").stdout
    assert re.search(r"key-2\s*│ event-2\s*│ \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", shown)
    assert "key-1" not in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "gateway", "--channel", "sms", "--channel", "fax"), "no such channel: fax"),
        (("create", "gateway"), "needs a channel"),
        (("create", "board", "--role", "analyst", "--channel", "sms"), "has no channel"),
        (("create", "board", "--role", "king"), "no such role"),
        (("revoke", "0" * 12), "no such key"),
    ],
)
def test_a_key_that_cannot_be_is_2(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = beejan(tmp_path, "keys", *words)
    assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (2, True, False)
    assert answer(tmp_path, "keys", "list") == []


@pytest.mark.parametrize("words", [("up",), ("up", "--foreground"), ("demo", "--events", "5")])
def test_a_port_in_use_is_2_and_nothing_starts(tmp_path: Path, taken: int, words: tuple[str, ...]) -> None:
    done = beejan(tmp_path, *words, BEEJAN_PORT=str(taken))
    assert (done.returncode, "BEEJAN_PORT" in done.stderr, "Traceback" in done.stderr) == (2, True, False)
    assert not (tmp_path / "catalog.db").exists()


def test_a_home_is_held_once_and_says_by_whom(settings: Settings) -> None:
    assert up.running(settings) is None
    with up.held(settings):
        at = (os.getpid(), up.address(settings), "embedded", str(settings.cluster.absolute()))
        assert up.running(settings) == at
        with pytest.raises(BadInput, match="up already"), up.held(settings):
            pass
        with pytest.raises(BadInput, match=re.escape(up.address(settings))):
            up.start(replace(settings, port=1))
        done = beejan(settings.home, "demo", "--events", "5", BEEJAN_PORT="1")
        assert (done.returncode, up.address(settings) in done.stderr) == (2, True)  # and nobody was stopped
    assert up.running(settings) is None


def test_who_is_told_no_profile_follows_what_is_up_or_was_last(settings: Settings, monkeypatch: Any) -> None:
    monkeypatch.setenv("BEEJAN_HOME", str(settings.home))
    for name in ("BEEJAN_PROFILE", "BEEJAN_CLUSTER"):
        monkeypatch.setenv(name, "")  # so that what is chosen here is forgotten afterwards
    named = settings.home / "servers.json"
    with up.held(replace(settings, profile="cluster", cluster=named)):
        found = console.configured()
        assert (found.profile, found.cluster) == ("cluster", named)
        monkeypatch.setenv("BEEJAN_PROFILE", "embedded")
        assert console.configured().profile == "embedded"
    for name in ("BEEJAN_PROFILE", "BEEJAN_CLUSTER"):
        monkeypatch.setenv(name, "")
    found = console.configured()
    assert (found.profile, found.cluster) == ("cluster", named)
    with up.held(replace(settings, profile="embedded")):
        monkeypatch.setenv("BEEJAN_PROFILE", "")
        assert console.configured().profile == "embedded"


def test_servers_that_are_away_are_told_before_anything_starts(tmp_path: Path) -> None:
    nowhere = "postgresql+psycopg://nobody:none@127.0.0.1:1/none"
    objects = Place("s3://beejan", "http://127.0.0.1:1", "us-east-1", "", "")
    file = write(Places(nowhere, nowhere, objects, "s3://beejan/warehouse"), tmp_path / "cluster.json")
    done = beejan(tmp_path, "up", BEEJAN_PROFILE="cluster", BEEJAN_CLUSTER=str(file))
    assert (done.returncode, "the control database does not answer" in done.stderr) == (4, True)
    assert not (tmp_path / "state" / "up.log").exists()


def test_down_ends_who_holds_the_home(settings: Settings) -> None:
    environment = {**os.environ, "BEEJAN_HOME": str(settings.home), "BEEJAN_PORT": str(settings.port)}
    assert beejan(settings.home, "down").stdout == "was not up\n"
    with subprocess.Popen([sys.executable, "-c", HOLD], env=environment) as holder:
        while up.running(settings) is None:
            assert holder.poll() is None
        assert beejan(settings.home, "down").stdout == "stopped\n"
        assert holder.wait(60) == -signal.SIGTERM


def test_what_does_not_come_up_is_told_with_its_log(settings: Settings, monkeypatch: Any) -> None:
    monkeypatch.setenv("BEEJAN_HOME", str(settings.home))
    monkeypatch.setenv("BEEJAN_PLAN_ROWS", "many")
    with pytest.raises(Unavailable) as told:
        up.start(settings)
    assert "BEEJAN_PLAN_ROWS" in told.value.hint


def test_who_is_interrupted_while_it_starts_leaves_nothing_running(
    settings: Settings, monkeypatch: Any
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    started: list[subprocess.Popen[bytes]] = []

    def popen(command: list[str], **given: Any) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]))
        assert given["env"]["BEEJAN_CURATE_S"] == "5"
        return started[0]

    monkeypatch.setattr(up, "_await_ready", interrupt)
    stub = {"Popen": popen, "DEVNULL": None, "TimeoutExpired": subprocess.TimeoutExpired}
    monkeypatch.setattr("cluster.up.subprocess", type("Stub", (), stub))
    with pytest.raises(KeyboardInterrupt):
        up.start(settings, BEEJAN_CURATE_S="5")
    assert started[0].wait(60) == -signal.SIGTERM


def test_query_answers_from_a_home_at_rest_in_each_form(tmp_path: Path) -> None:
    settings = small(tmp_path)
    append(settings, [line(1, "No network [/] in Ikeja, call +2348035550142"), line(2)])
    run(settings)
    asked = "SELECT redacted_text FROM events ORDER BY region NULLS LAST LIMIT 1"
    shown = beejan(tmp_path, "query", asked, COLUMNS="20")
    row = json.loads(beejan(tmp_path, "query", asked, "--format", "json").stdout)["rows"][0]
    assert (shown.returncode, "as of commit 1" in shown.stdout) == (0, True)
    assert row["redacted_text"] == "No network [/] in Ikeja, call <PHONE>"
    assert "Nonetwork[/]inIkeja,call<PHONE>" in re.sub(r"[│\s]", "", shown.stdout)
    assert beejan(tmp_path, "query", asked, "--format", "csv").stdout.splitlines()[0] == "redacted_text"
    assert "complaints_by_day" in beejan(tmp_path, "questions").stdout
    ready = beejan(tmp_path, "query", "--question", "complaints_by_day", "--format", "csv").stdout
    assert ready.splitlines()[0] == "local_date,complaints,quarantined,is_provisional"
    for wrong in (("query",), ("query", asked, "--question", "x"), ("query", "--question", "x")):
        assert beejan(tmp_path, *wrong).returncode == 2
    refused = beejan(tmp_path, "query", "SELECT * FROM structured.events")
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False)


def test_a_query_says_which_columns_are_empty_for_the_role(tmp_path: Path) -> None:
    settings = small(tmp_path)
    append(settings, [line(1)])
    run(settings)
    asked = ("query", "SELECT count(customer_key) AS n FROM events", "--format", "json")
    noted = beejan(tmp_path, *asked)
    assert json.loads(noted.stdout)["rows"] == [{"n": 0}]
    assert all(said in noted.stderr for said in ("customer_key is empty for analyst", "--role compliance"))
    assert beejan(tmp_path, *asked, "--role", "compliance").stderr == ""
    wrong = beejan(tmp_path, *asked, "--role", "king")
    assert (wrong.returncode, "analyst, operations, finance, compliance" in wrong.stderr) == (2, True)


def test_the_dictionary_says_what_each_column_means(tmp_path: Path) -> None:
    every, one = (beejan(tmp_path, "dictionary", *words).stdout for words in ((), ("kpi_daily",)))
    assert all(name in every for name in ("clusters: ", "complaints: ", "representative_text"))
    assert "is_provisional" in one
    assert "clusters: " not in one
    unknown = beejan(tmp_path, "dictionary", "kpi")
    assert (unknown.returncode, "kpi_daily" in unknown.stderr) == (2, True)


def test_event_says_what_was_decided(tmp_path: Path) -> None:
    settings = small(tmp_path)
    (event_id, _) = append(settings, [line(1, "No network in Ikeja"), line(2, "No network in Ikeja")])
    run(settings)
    found = answer(tmp_path, "event", event_id)
    decided = ("l1", "l2", "region", "link_kind", "cluster_id", "bridges")
    assert [found[name] for name in decided] == ["network", "outage", "Lagos", None, event_id, None]


def test_decide_writes_a_decision_a_line_and_stores_nothing(tmp_path: Path) -> None:
    texts, out = tmp_path / "texts.jsonl", tmp_path / "out.jsonl"
    texts.write_text('{"id": "1", "channel": "sms", "text": "Internet is slow"}\n{"id": "2"}\n')
    assert beejan(tmp_path / "home", "decide", str(texts), "--out", str(out)).returncode == 0
    decided = [json.loads(each) for each in out.read_text().splitlines()]
    assert [(each["id"], each["disposition"], each["l2"]) for each in decided] == [
        ("1", "accepted", "speed"),
        ("2", "quarantined", "unclassified"),
    ]
    assert answer(tmp_path / "home", "status")["planned"] == 0
    missing = beejan(tmp_path / "home", "decide", str(tmp_path / "none"), "--out", str(out))
    assert (missing.returncode, "Traceback" in missing.stderr) == (2, False)


def test_a_file_without_its_mapping_is_2(tmp_path: Path) -> None:
    done = beejan(tmp_path, "demo", "--input", "reviews.csv")
    assert (done.returncode, "mapping" in done.stderr) == (2, True)


@pytest.mark.parametrize("content", ['[17, "http://127.0.0.1:8000"]', "\0\0\0", "{}"])
def test_a_note_that_cannot_be_read_is_as_none(settings: Settings, content: str) -> None:
    """Another version's, or what a power cut left of one."""
    (settings.home / "state").mkdir(parents=True)
    (settings.home / "state" / "up.lock").write_text(content)
    assert up.latest(settings) is None


def test_doors_of_this_machine_are_asked_past_any_proxy(settings: Settings, monkeypatch: Any) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with HTTPServer((settings.host, settings.port), Ready) as server:
        Thread(target=server.handle_request).start()
        assert up.is_ready(settings)


class Ready(BaseHTTPRequestHandler):
    """Says yes, once."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize("words", [("up",), ("status",)])
def test_a_port_that_is_none_is_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = beejan(tmp_path, *words, BEEJAN_PORT="70000")
    assert (done.returncode, "BEEJAN_PORT" in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def silent_cluster(tmp_path: Path, port: int) -> str:
    """The file of a cluster whose Trino is at a port."""
    nowhere = "postgresql+psycopg://nobody:none@127.0.0.1:1/none"
    objects = Place("s3://beejan", "http://127.0.0.1:1", "us-east-1", "", "")
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(self_signed("localhost", "127.0.0.1", datetime.now(UTC))[0])
    trino = Trino(f"https://localhost:{port}", str(certificate), {"analyst": "word"})
    given = Places(nowhere, nowhere, objects, "s3://beejan/warehouse", trino)
    return str(write(given, tmp_path / "cluster.json"))


@pytest.mark.parametrize("is_there", [True, False])
def test_a_trino_that_is_silent_is_told_before_anything_is_loaded(
    tmp_path: Path, taken: int, is_there: bool, monkeypatch: Any
) -> None:
    monkeypatch.setenv("BEEJAN_PROFILE", "cluster")
    monkeypatch.setenv("BEEJAN_CLUSTER", silent_cluster(tmp_path, taken if is_there else 1))
    monkeypatch.setitem(sys.modules, "cluster.query_side", None)  # what takes long
    with pytest.raises(Unavailable, match="the SQL server does not answer"):
        doors_cli.query("SELECT 1 AS x", "", "json", 1)
