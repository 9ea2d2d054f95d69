"""The README is held to the code: its tables, its commands, its promises."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.readme import README, endpoints, generated, written

ROOT = README.parent


@pytest.mark.parametrize("name", generated())
def test_the_generated_parts_are_up_to_date(name: str) -> None:
    assert f"<!-- {name} -->" in README.read_text()
    assert written(README.read_text()) == README.read_text(), "run `python -m tests.readme`"


def test_each_address_names_the_roles_that_get_an_answer() -> None:
    everybody = "analyst, operations, finance, compliance"
    named = {address: roles for address, roles, _ in endpoints()}
    assert named["`POST /query/v1/sql`"] == named["`GET /query/v1/complaints`"] == everybody
    assert named["`GET /query/v1/ledger`"] == "analyst, operations, compliance"


def test_every_promise_names_tests_that_exist() -> None:
    named = re.findall(r"`(tests/[^`]+\.py)`", README.read_text())
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).is_file()] == []


EXECUTED = {
    "Two commands": "by whoever makes this environment, and in tests/cluster/test_up.py",
    "A first look": "here",
    "Send complaints": "in tests/cluster/test_up.py",
    "Ask": "in tests/cluster/test_up.py",
    "Commands": "here",
}
"""Sections with commands, and where these are executed."""


def section(title: str) -> str:
    return README.read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def executed(script: str, home: Path) -> str:
    """What the script printed; it must succeed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env={**os.environ, "BEEJAN_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_is_executed_somewhere() -> None:
    titles = re.findall(r"^## (.*)$", README.read_text(), re.M)
    shown = {title for title in titles if re.search("```(console|python)", section(title))}
    assert shown == set(EXECUTED)


def test_the_first_look_works_as_written(tmp_path: Path) -> None:
    block = section("A first look").partition("```console\n")[2].partition("```")[0]
    script = block.replace("/tmp/beejan-first-look", str(tmp_path / "home"))
    assert script.count(str(tmp_path)) == 3
    said = executed(script, tmp_path)
    assert len(re.findall(r'^\{"event_id":"[0-9a-f]{32}","id_origin":"provider"\}$', said, re.M)) == 3
    assert re.search(r"total\s*│ 3\s*│ 2\s*│ 0\s*│ 1\s*│ 0", said)
    assert re.search(r"ok\s*│ true", said)
    assert re.search(r"state\s*│ committed", said)


def test_deciding_a_file_works_as_written(tmp_path: Path) -> None:
    block = section("Commands").partition("```console\n")[2].partition("```")[0]
    said = executed(block.replace("/tmp/", f"{tmp_path}/"), tmp_path / "home")
    assert (json.loads(said)["id"], json.loads(said)["l1"]) == ("1", "billing")


def test_the_documented_commands_are_all_there_are() -> None:
    wide = {**os.environ, "COLUMNS": "200"}
    shown = subprocess.check_output([ROOT / ".venv/bin/beejan", "--help"], text=True, env=wide)
    there = set(re.findall(r"^│ (\w+) ", shown.partition("Commands")[2], re.M))
    documented = set(re.findall(r"^\| `beejan (\w+)", README.read_text(), re.M))
    assert documented == there
