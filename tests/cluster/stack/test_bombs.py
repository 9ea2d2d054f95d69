"""One role's query may ask for all of Trino's memory: it is ended, and nobody else is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from trino.exceptions import TrinoUserError

from benchmarks.bombs import bombs, throw
from cluster.stack import limits, trino
from cluster.stack.stack import Stack
from tests.serve_apps.query.engine.engines import on_servers
from tests.serve_apps.query.lakes import small


@pytest.fixture(scope="module")
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The servers with a lake and its views in them."""
    with on_servers(request, tmp_path_factory.mktemp("home")) as ground, ground.turn():
        small(ground.place).close()
        stack: Stack = request.getfixturevalue("stack")
        yield stack


def test_a_query_that_would_take_all_memory_ends_alone(served: Stack) -> None:
    report = throw(served, [each for each in bombs() if each.is_daily])
    assert [each for each in report.thrown if each.outcome in ("answered", "connection lost")] == []
    assert (report.is_same_process, report.unanswered) == (True, [])
    assert (report.is_ok, len(report.thrown)) == (True, 12)


def test_a_query_that_takes_long_to_read_is_not_read(served: Stack) -> None:
    long = f"SELECT {'1 + ' * limits.QUERY_CHARACTERS} 1"
    with trino.connection(served, "analyst") as client, pytest.raises(TrinoUserError, match="TEXT_TOO_LARGE"):
        client.cursor().execute(long).fetchall()
