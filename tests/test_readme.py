"""The README is held to the code: its tables, its commands, its promises."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.readme import README, generated, written

ROOT = README.parent


@pytest.mark.parametrize("name", generated())
def test_the_generated_parts_are_up_to_date(name: str) -> None:
    assert f"<!-- {name} -->" in README.read_text()
    assert written(README.read_text()) == README.read_text(), "run `python -m tests.readme`"


def test_every_promise_names_tests_that_exist() -> None:
    named = re.findall(r"`(tests/[^`]+\.py)`", README.read_text())
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_the_first_look_works_as_written(tmp_path: Path) -> None:
    block = (
        README.read_text().partition("## A first look")[2].partition("```console\n")[2].partition("```")[0]
    )
    script = block.replace("/tmp/beejan-first-look", str(tmp_path / "home"))
    assert script.count(str(tmp_path)) == 3
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r'^\{"event_id":"[0-9a-f]{32}","id_origin":"provider"\}$', done.stdout, re.M)) == 3
    assert re.search(r"total\s*│ 3\s*│ 2\s*│ 0\s*│ 1\s*│ 0", done.stdout)
    assert re.search(r"ok\s*│ true", done.stdout)
    assert re.search(r"state\s*│ committed", done.stdout)


def test_the_documented_commands_are_all_there_are() -> None:
    wide = {**os.environ, "COLUMNS": "200"}
    shown = subprocess.check_output([ROOT / ".venv/bin/beejan", "--help"], text=True, env=wide)
    there = set(re.findall(r"^│ (\w+) ", shown.partition("Commands")[2], re.M))
    documented = set(re.findall(r"^\| `beejan (\w+)", README.read_text(), re.M))
    assert documented == there
