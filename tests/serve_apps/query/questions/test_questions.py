"""Every question has one answer: the one written down, from every engine, over a lake with a past."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import sqlglot
from pyarrow import parquet
from pyiceberg.table.snapshots import Operation

from catalog.errors import BadInput
from catalog.lake import read
from catalog.lake.commit import Lake
from catalog.tables import COMPLAINTS, EVENTS
from cluster.stack.stack import Stack
from serve_apps.query.cookbook import question, questions
from serve_apps.query.engine.port import QueryEngine
from serve_apps.query.views import views
from tests.serve_apps.query.questions.conftest import Filled
from tests.serve_apps.query.questions.console import console, typed
from tests.serve_apps.query.questions.plain import answers
from tests.serve_apps.query.questions.run import EXPECTED, Asked, canonical, expected, run_questions

PERSONAL = ("customer_key", "account_key")
OF_PERSONS = {"first_and_last_contact", "repeat_complainers", "completeness"}
"""Questions that name keys of persons, which an analyst finds empty."""


@pytest.mark.parametrize("name", questions())
def test_the_engine_answers_as_written(asked: dict[str, Asked], filled: Filled, name: str) -> None:
    assert asked[name] == Asked(expected()[name], filled.facts.seq, truncated=False)


def test_what_is_written_follows_from_the_rows(filled: Filled) -> None:
    """Where the rules or the simulator changed, write it anew: see `plain`."""
    assert answers(filled.facts) == expected()


@pytest.mark.parametrize("filled", ["duckdb"], indirect=True)  # Trino's console is an analyst's, below
def test_an_analyst_gets_the_same_where_no_person_is_named(
    asked: dict[str, Asked], asked_engine: QueryEngine
) -> None:
    seen = run_questions(asked_engine, "analyst")
    personal = {name for name, each in questions().items() if any(key in each.sql for key in PERSONAL)}
    assert personal == OF_PERSONS
    assert {name: seen[name] for name in seen if name not in personal} == {
        name: asked[name] for name in asked if name not in personal
    }
    assert seen["first_and_last_contact"].rows == seen["repeat_complainers"].rows == []


@pytest.mark.full
@pytest.mark.parametrize("filled", ["trino"], indirect=True)
def test_the_console_answers_an_analyst_as_written(filled: Filled, stack: Stack, tmp_path: Path) -> None:
    seen = typed(stack, tmp_path / "questions.sql")
    assert {name: seen[name] for name in seen if name not in OF_PERSONS} == {
        name: rows for name, rows in expected().items() if name not in OF_PERSONS
    }
    assert seen["first_and_last_contact"] == seen["repeat_complainers"] == []
    refused = console(stack, "--execute", "SELECT * FROM lake.structured.events")
    assert refused.returncode == 1
    assert "not allowed" in refused.stderr
    assert console(stack, "--user", "nobody").returncode == 2
    one = console(stack, "--question", "complaints_by_day", "--output-format", "JSON")
    assert len(one.stdout.splitlines()) == len(expected()["complaints_by_day"])


def _columns(lake: Lake, path: str) -> list[str]:
    with lake.store.files.new_input(path).open() as source:
        names: list[str] = parquet.read_schema(source).names
        return names


def test_the_lake_has_a_past(filled: Filled) -> None:
    lake = Lake(filled.ground.place)
    tables = {name: lake.store.load(name) for name in (EVENTS.name, COMPLAINTS.name)}
    paths = read.data_files(lake, EVENTS.name).paths
    rows = read.rows(lake, EVENTS.name, 1, filled.facts.seq, ["event_id"]).num_rows
    missing = [path for path in paths if "reason_field" not in _columns(lake, path)]
    lake.close()
    assert rows == len(filled.facts.events)
    assert len(tables[EVENTS.name].schemas()) == 4
    assert 0 < len(missing) < len(paths)
    turns = [each.summary["beejan.turn"] for each in tables[EVENTS.name].snapshots() if each.summary]
    assert turns.count("compact") > 5
    for table in tables.values():
        done = [
            each.summary.operation
            for each in table.snapshots()
            if each.summary and not each.summary["beejan.turn"]
        ]
        assert Operation.OVERWRITE in done


@pytest.mark.parametrize("name", questions())
def test_a_question_says_what_who_and_in_which_order(name: str) -> None:
    found = question(name)
    tree = sqlglot.parse_one(found.sql, read="trino")
    assert found.words.endswith(("?", "."))
    assert found.asker
    assert tree.args.get("order")
    assert {table.name for table in tree.find_all(sqlglot.exp.Table)} & set(views())


def test_every_question_has_its_answer_and_there_are_no_others() -> None:
    written = {f"{number:02}_{name}" for number, name in enumerate(questions(), 1)}
    assert {path.stem for path in EXPECTED.iterdir()} == written
    with pytest.raises(BadInput):
        question("nothing")


def test_answers_are_written_alike_whatever_the_engine_gives() -> None:
    given = [{"a": date(2026, 1, 2), "b": 1 / 3, "c": None, "d": "x", "e": 2}]
    assert canonical(given) == [{"a": "2026-01-02", "b": 0.333333333, "c": None, "d": "x", "e": 2}]
