"""Asks an engine every question, and writes answers so that those of two engines can be compared."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from serve_apps.query.cookbook import questions
from serve_apps.query.engine.port import Limits, QueryEngine, Role
from tests.serve_apps.query.questions.facts import Row

EXPECTED = Path(__file__).parent / "expected"
DIGITS = 9


class Asked(NamedTuple):
    """One answer in canonical form, the commit it is as of, and whether rows were cut off."""

    rows: list[Row]
    as_of_seq: int
    truncated: bool


def run_questions(engine: QueryEngine, role: Role) -> dict[str, Asked]:
    """The answers by the questions' names."""
    found = {}
    for name, question in questions().items():
        answer = engine.query(question.sql, (), role, Limits())
        found[name] = Asked(canonical(answer.table.to_pylist()), answer.as_of_seq, answer.truncated)
    return found


def canonical(rows: list[Row]) -> list[Row]:
    """Instants in UTC and dates as ISO text, decimals as text, floats to nine significant digits."""
    return [{name: _canonical(value) for name, value in row.items()} for row in rows]


def _canonical(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def expected() -> dict[str, list[Row]]:
    """The answers that are written down."""
    return {
        name: json.loads((EXPECTED / f"{number:02}_{name}.json").read_text("utf-8"))
        for number, name in enumerate(questions(), 1)
    }


def write_down(answers: dict[str, list[Row]]) -> None:
    """Replace what is written down, a row a line."""
    for number, (name, rows) in enumerate(answers.items(), 1):
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        (EXPECTED / f"{number:02}_{name}.json").write_text(f"[\n{lines}\n]\n" if rows else "[]\n", "utf-8")
