"""Trino's own console, as an analyst types into it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from cluster.stack.stack import Stack
from serve_apps.query.cookbook import questions
from tests.serve_apps.query.questions.facts import Row
from tests.serve_apps.query.questions.run import canonical

BEEJAN = Path(sys.executable).parent / "beejan"
ASKED = "question"
INSTANT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} UTC")


def console(stack: Stack, *words: str) -> subprocess.CompletedProcess[str]:
    """What Trino's console says to an analyst."""
    environment = os.environ | {"BEEJAN_STACK": stack.folder}
    command = [BEEJAN, "stack", "sql", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def typed(stack: Stack, script: Path) -> dict[str, list[Row]]:
    """What one console prints of all questions, a row a line; each is announced by its name."""
    texts = (f"SELECT '{each.name}' AS {ASKED};\n{each.sql};\n" for each in questions().values())
    script.write_text("".join(texts))
    done = console(stack, "--output-format", "JSON", "--file", str(script))
    assert done.returncode == 0, done.stderr
    found: dict[str, list[Row]] = {}
    for line in done.stdout.splitlines():
        row = json.loads(line)
        if row.keys() == {ASKED}:
            rows = found[row[ASKED]] = []
        else:
            rows.append({name: _meant(value) for name, value in row.items()})
    return {name: canonical(rows) for name, rows in found.items()}


def _meant(value: Any) -> Any:
    """The console prints an instant as text of its own."""
    if isinstance(value, str) and INSTANT.fullmatch(value):
        return datetime.strptime(f"{value.removesuffix(' UTC')}+0000", "%Y-%m-%d %H:%M:%S.%f%z")
    return value
