"""The commands of the views, on both profiles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.tables import TABLES
from cluster import places
from cluster.stack.stack import Stack
from serve_apps.query.access import rules
from serve_apps.query.views import views
from tests.cluster.test_cli import answer, beejan
from tests.serve_apps.query.engine.engines import turn_of


@pytest.fixture
def under(stack: Stack, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a home on the real servers, nobody else asking them."""
    file = places.write(places.of_stack(stack), tmp_path / "cluster.json")
    with turn_of(stack, "views"):
        yield {"BEEJAN_PROFILE": "cluster", "BEEJAN_CLUSTER": str(file), "BEEJAN_STACK": stack.folder}


@pytest.mark.first
def test_views_are_made_checked_and_taken_back(tmp_path: Path, stack: Stack, under: dict[str, str]) -> None:
    only_owner = {**rules(), "queries": rules()["queries"][:1]}
    stack.rules.write_text(json.dumps(only_owner))
    made = beejan(tmp_path, "views", "apply", **under).stdout.split()
    assert made == [f"{each.name}/{each.version}" for each in views().values()]
    assert json.loads(stack.rules.read_text()) == rules()
    assert json.loads(beejan(tmp_path, "views", "check", "--json", **under).stdout) == {"drift": []}
    beejan(tmp_path, "views", "apply", "--view", "ledger", "--version", "1", **under)
    drifted = beejan(tmp_path, "views", "check", "--json", **under)
    assert drifted.returncode == 1
    assert [each["view"] for each in json.loads(drifted.stdout)["drift"]] == ["ledger"]
    beejan(tmp_path, "views", "apply", "--view", "ledger", **under)
    asked = beejan(tmp_path, "query", "SELECT table_name FROM as_of ORDER BY 1", "--format", "json", **under)
    assert len(json.loads(asked.stdout)["rows"]) == len(TABLES)


def test_the_embedded_engine_makes_its_own(tmp_path: Path) -> None:
    assert answer(tmp_path, "views", "check") == {"drift": []}
    assert "makes its views itself" in beejan(tmp_path, "views", "apply").stderr
    assert json.loads(beejan(tmp_path, "views", "rules").stdout) == rules()


@pytest.mark.parametrize(
    "words",
    [("views", "apply", "--view", "events", "--version", "0"), ("query", "SELECT 1 AS x", "--rows", "-1")],
)
def test_a_number_that_means_nothing_is_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = beejan(tmp_path, *words, COLUMNS="200")
    assert (done.returncode, "Invalid value" in done.stderr) == (2, True)
