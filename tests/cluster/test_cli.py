"""The command line as a script uses it: what it prints, and its exit codes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from catalog import failpoints
from cluster import cli
from tests.homes import line

BEEJAN = str(Path(sys.executable).parent / "beejan")


def beejan(
    home: Path, *words: str, lines: list[bytes] | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BEEJAN_HOME": str(home), "BEEJAN_MIN_FREE_BYTES": "0", **more}
    given = b"".join(each + b"\n" for each in lines or []).decode()
    return subprocess.run(
        [BEEJAN, *words], input=given, capture_output=True, text=True, env=environment, check=False
    )


def answer(home: Path, *words: str, code: int = 0) -> Any:
    done = beejan(home, *words, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_a_day_at_the_console(tmp_path: Path) -> None:
    home = tmp_path / "home"
    sent = beejan(home, "append", "-", lines=[line(i, date=f"2026-11-2{i % 3}") for i in range(30)])
    assert sent.returncode == 0
    receipts = [json.loads(each) for each in sent.stdout.splitlines()]
    assert [set(each) for each in receipts] == [{"event_id", "id_origin"}] * 30
    assert answer(home, "verify") == {
        "ok": True, "missing": [], "doubled": [], "foreign": [], "corrupt": [], "pending": 30
    }  # fmt: skip
    status = answer(home, "status")
    assert (status["commit_seq"], status["planned"], status["backlog_events"]) == (0, 0, 30)
    assert status["oldest_unplanned_s"] > 0
    done = beejan(home, "run", "--runtime", "plain", "--until-idle")
    assert (done.returncode, done.stdout) == (0, "")
    done = answer(home, "status")
    assert done == {
        **{"commit_seq": 1, "planned": 1, "backlog_events": 0, "oldest_unplanned_s": None, "stopped": []},
        **{"profile": "embedded", "home": str(home), "actors": [], "servers": []},
        **{"doors": "down", "supervisor": {"state": "down"}, "trouble": [], "outages": []},
    }
    ledger = answer(home, "ledger")
    assert ledger["balanced"]
    assert ledger["total"] == {
        "received": 30, "accepted": 30, "duplicate": 0, "quarantined": 0, "redelivered": 0
    }  # fmt: skip
    assert list(ledger["by_channel"]) == ["sms"]
    assert answer(home, "redecide") == {"ok": True, "compared": 30, "different": []}
    event = answer(home, "event", receipts[7]["event_id"])
    assert event["state"] == "committed"
    assert {"segment", "offset", "plan", "commit", "data_file", "disposition", "reason"} <= set(event)
    days = ("replay", "--from", "2026-11-20", "--to", "2026-11-21")
    assert answer(home, *days, "--dry-run") == {"files": 2, "events": 20, "sent": 0}
    assert answer(home, *days) == {"files": 2, "events": 20, "sent": 20}
    assert beejan(home, "run", "--runtime", "plain", "--until-idle").returncode == 0
    assert answer(home, "ledger")["total"]["redelivered"] == 20
    assert answer(home, "verify")["ok"]


def test_bad_input_is_2_and_says_which_line(tmp_path: Path) -> None:
    done = beejan(tmp_path / "home", "append", "-", lines=[line(1), b"0801 2345678 is no line", line(2)])
    assert done.returncode == 2
    assert len(done.stdout.splitlines()) == 1
    assert "line=2" in done.stderr
    assert "0801" not in done.stderr
    assert beejan(tmp_path / "home", "append", str(tmp_path / "absent")).returncode == 2
    assert beejan(tmp_path / "home", "event", "xyz").returncode == 2
    assert beejan(tmp_path / "home", "run", "--runtime", "magic").returncode == 2
    for value in ("many", "0", "-1"):
        assert beejan(tmp_path / "home", "status", BEEJAN_PLAN_ROWS=value).returncode == 2
    assert beejan(tmp_path / "home", "log", "quarantine", "seg-x", "3").returncode == 2


@pytest.mark.parametrize("bad", [b'"%s"' % (b"a" * (16 << 20)), b"nothing"], ids=["too large", "no payload"])
def test_what_came_before_a_bad_line_has_its_receipts(tmp_path: Path, bad: bytes) -> None:
    refused = b'{"channel": "sms", "source": "gateway", "payload": ' + bad + b"}"
    done = beejan(tmp_path / "home", "append", "-", lines=[line(1), line(2), refused, line(4)])
    assert (done.returncode, len(done.stdout.splitlines())) == (2, 2)
    assert "line=3" in done.stderr
    assert answer(tmp_path / "home", "verify")["pending"] == 2


def test_a_failed_sync_is_3_and_acknowledges_nothing(tmp_path: Path) -> None:
    done = beejan(tmp_path / "home", "append", "-", lines=[line(1)], BEEJAN_FAILPOINT="log.written:raise@1")
    assert (done.returncode, done.stdout) == (3, "")
    assert "Traceback" not in done.stderr


def test_an_unknown_event_is_1(tmp_path: Path) -> None:
    assert answer(tmp_path / "home", "event", "0" * 32, code=1)["state"] == "unknown"


def test_a_damaged_log_is_4_and_the_way_out_works(tmp_path: Path) -> None:
    home = tmp_path / "home"
    beejan(home, "append", "-", lines=[line(i) for i in range(9)])
    (segment,) = (home / "log").glob("*.sealed")
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    (bad,) = answer(home, "verify", code=1)["corrupt"]
    stopped = beejan(home, "run", "--runtime", "plain", "--until-idle")
    assert stopped.returncode == 4
    command = stopped.stderr.partition("beejan log quarantine ")[2].split()[:2]
    assert command == [segment.stem, str(bad["offset"])]
    (stop,) = answer(home, "status", code=4)["stopped"]
    assert (stop["segment"], stop["offset"]) == (segment.stem, bad["offset"])
    assert answer(home, "log", "quarantine", *command)["reason"] == "frame_corrupt"
    assert beejan(home, "run", "--runtime", "plain", "--until-idle").returncode == 0
    assert answer(home, "verify")["ok"]
    assert answer(home, "ledger")["total"]["quarantined"] == 1


def test_told_to_stop_it_finishes_what_is_durable(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {**os.environ, "BEEJAN_HOME": str(home), "BEEJAN_PLAN_AGE_S": "1000"}
    with subprocess.Popen([BEEJAN, "run", "--runtime", "plain"], env=environment) as process:
        beejan(home, "append", "-", lines=[line(i) for i in range(9)])
        while not is_sequencer(home, process.pid):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert answer(home, "ledger")["total"]["accepted"] == 9


def is_sequencer(home: Path, pid: int) -> bool:
    """Whether this process has the lease, and so hears signals and is at work."""
    lease = home / "state" / "sequencer.lock"
    return lease.exists() and lease.read_text().startswith(f"{pid} ")


def test_the_failpoints_are_listed(tmp_path: Path) -> None:
    listed = answer(tmp_path, "failpoints")
    assert [each["name"] for each in listed] == list(failpoints.REGISTRY)
    assert set(listed[0]) == {"name", "step", "leaves", "actions"}
    assert listed[0]["actions"] == ["kill", "stop", "raise"]


@pytest.mark.parametrize("command", ["status", "ledger", "verify", "redecide", "failpoints"])
def test_people_get_tables(tmp_path: Path, command: str) -> None:
    shown = beejan(tmp_path / "home", command)
    assert shown.returncode == 0
    assert "│" in shown.stdout
    assert command != "failpoints" or {"kill", "stop", "raise"} <= set(shown.stdout.split())


def test_a_slow_pipe_gets_each_receipt_as_it_is_durable(tmp_path: Path) -> None:
    environment = {**os.environ, "BEEJAN_HOME": str(tmp_path / "home"), "BEEJAN_MIN_FREE_BYTES": "0"}
    command = [BEEJAN, "append", "-"]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for i in range(3):
            process.stdin.write(line(i) + b"\n")
            assert process.stdout.readline().startswith(b'{"event_id"')
        process.stdin.close()
        assert process.wait(60) == 0


def test_a_moved_home_a_torn_file_and_a_damaged_database_are_4(tmp_path: Path) -> None:
    beejan(tmp_path / "home", "append", "-", lines=[line(1)])
    beejan(tmp_path / "home", "run", "--runtime", "plain", "--until-idle")
    (tmp_path / "home").rename(tmp_path / "moved")
    moved = beejan(tmp_path / "moved", "run", "--runtime", "plain", "--until-idle")
    assert (moved.returncode, "put it back" in moved.stderr) == (4, True)
    (tmp_path / "moved").rename(tmp_path / "home")
    assert answer(tmp_path / "home", "verify")["ok"]
    (counted,) = (tmp_path / "home" / "warehouse" / "ops" / "ledger" / "data").glob("*.parquet")
    counted.write_bytes(counted.read_bytes()[:-100])
    torn = beejan(tmp_path / "home", "ledger")
    assert (torn.returncode, "Traceback" in torn.stderr, str(counted) in torn.stderr) == (4, False, True)
    (tmp_path / "home" / "control.db").write_bytes(b"not a database" * 1_000)
    damaged = beejan(tmp_path / "home", "run", "--runtime", "plain", "--until-idle")
    assert (damaged.returncode, "restore it from a backup" in damaged.stderr) == (4, True)


def test_a_fault_of_ours_is_no_finding(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def faulty(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", faulty)
    monkeypatch.setattr(cli, "with_profile", lambda _: None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code, "ZeroDivisionError" in capsys.readouterr().err) == (4, True)
