"""What people see of tables, and what a command loads before it answers."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cluster.console import Repeated, cell, show, table
from tests.cluster.test_cli import beejan

KEY, EVENT, DIGEST = "0a1b2c3d4e5f", "b6f3bd8ea15197dd60880013bf90480d", "ab" * 32
SEGMENT = f"seg-{EVENT}"
LOADED = """
import sys
from cluster import cli
sys.argv = ["beejan", *{words}]
try:
    cli.main()
except SystemExit as end:
    assert not end.code, end.code
print("loaded", *sorted({slow} & sys.modules.keys()), file=sys.stderr)
"""
ALL = {
    "pyarrow",
    "pyiceberg",
    "sqlalchemy",
    "alembic",
    "ray",
    "duckdb",
    "numpy",
    "httpx",
    "fastapi",
    "sqlglot",
}
TABLES = {"pyarrow", "numpy"}
"""Loaded with the definitions of the tables."""


def lines(capsys: Any) -> list[str]:
    return [re.sub(r"[│┃]", " ", each) for each in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("value", [KEY, EVENT, DIGEST, SEGMENT, f"{SEGMENT}.sealed"])
@pytest.mark.parametrize("width", ["40", "80"])
def test_an_id_is_in_one_piece_however_narrow_the_terminal(
    capsys: Any, monkeypatch: Any, value: str, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    text = "no network since morning, " * 5
    table(["id", "source", "text", "ratio"], [[value, "gateway of the north", text, "0.5"]] * 2)
    assert sum(value in each.split() for each in lines(capsys)) == 2


def test_what_fits_beside_an_id_folds_and_nothing_is_cut(capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = " ".join(f"word{n}" for n in range(40))
    table(["event_id", "text"], [[EVENT, text]])
    shown = " ".join(lines(capsys))
    assert all(f"word{n}" in shown.split() for n in range(40))


def test_ids_inside_a_document_are_in_one_piece(capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    show({"stopped": [{"reason": "a frame is damaged " * 4, "segment": SEGMENT, "offset": 17}]}, False)
    assert any(f'"{SEGMENT}",' in each.split() for each in lines(capsys))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *((1 / 3, "0.3333"), (0.0134328358, "0.01343"), (-12.3456, "-12.35"), (999.96, "1000"), (2.0, "2")),
        *((123_456.7, "123457"), (1e15, "1000000000000000"), (None, "null"), ("0.123456", "0.123456")),
        *((float("nan"), "nan"), (7, "7"), (True, "True")),
    ],
)
def test_a_fraction_has_four_digits_that_count(value: Any, shown: str) -> None:
    assert cell(value) == shown


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (["--help"], set()),
        (["--version"], set()),
        (["query", "--help"], set()),
        (["questions"], set()),
        (["failpoints"], set()),
        (["dictionary"], {*TABLES, "sqlglot"}),
        (["keys", "list"], {"sqlalchemy"}),
        (["status"], {*TABLES, "sqlalchemy"}),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_a_command_loads_only_what_it_needs(tmp_path: Path, words: list[str], allowed: set[str]) -> None:
    """What it loads is what a person waits for; a clock would only say how busy this machine is."""
    beejan(tmp_path, "keys", "list")  # a new database is filled by a library that is not needed afterwards
    code = LOADED.format(words=words, slow=ALL - allowed)
    environment = {"BEEJAN_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stderr.split("\n")[-2] == "loaded"


def test_the_version_is_told(tmp_path: Path) -> None:
    assert re.fullmatch(r"beejan \d+\.\d+\.\d+\n", beejan(tmp_path, "--version").stdout)


def test_a_line_that_repeats_is_counted() -> None:
    told = Repeated()
    lines = [logging.LogRecord("a", logging.WARNING, "", 1, text, (), None) for text in ("x", "x", "x", "y")]
    assert [told.filter(line) for line in lines] == [True, False, False, True]
    assert lines[-1].getMessage() == "(the line before came 2 more times) y"
