"""The lake with a past, filled once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from catalog.lake.commit import Lake
from serve_apps.query.engine.port import QueryEngine
from tests.serve_apps.query.engine.engines import ENGINES
from tests.serve_apps.query.questions.facts import Facts
from tests.serve_apps.query.questions.lake import fill
from tests.serve_apps.query.questions.run import Asked, run_questions


class Filled(NamedTuple):
    """A home with a lake, and what its tables should hold."""

    home: Path
    facts: Facts


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    home = tmp_path_factory.mktemp("asked")
    lake = Lake(home)
    facts = fill(lake)
    lake.close()
    return Filled(home, facts)


@pytest.fixture(scope="session", params=ENGINES)
def asked_engine(request: pytest.FixtureRequest, filled: Filled) -> Iterator[QueryEngine]:
    engine = ENGINES[request.param](filled.home)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def asked(asked_engine: QueryEngine) -> dict[str, Asked]:
    """Every answer of one engine to who may see everything."""
    return run_questions(asked_engine, "compliance")
