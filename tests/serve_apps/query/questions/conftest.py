"""The lake with a past, filled once for each engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import NamedTuple

import pytest

from catalog.lake.commit import Lake
from serve_apps.query.engine.port import QueryEngine
from tests.serve_apps.query.engine.engines import GROUNDS, Ground
from tests.serve_apps.query.questions.facts import Facts
from tests.serve_apps.query.questions.lake import fill
from tests.serve_apps.query.questions.run import Asked, run_questions


class Filled(NamedTuple):
    """A lake and who can open it, and what its tables should hold."""

    ground: Ground
    facts: Facts


@pytest.fixture(scope="module", params=GROUNDS)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with GROUNDS[request.param](request, tmp_path_factory.mktemp("asked")) as ground:
        with ground.turn():
            lake = Lake(ground.place)
            facts = fill(lake)
            lake.close()
        yield Filled(ground, facts)


@pytest.fixture(autouse=True)
def _turn_of_filled(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that asks the lake with a past has it to itself."""
    asks = "filled" in request.fixturenames
    with request.getfixturevalue("filled").ground.turn() if asks else nullcontext():
        yield


@pytest.fixture(scope="module")
def asked_engine(filled: Filled) -> Iterator[QueryEngine]:
    with filled.ground.turn():
        engine = filled.ground.open()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def asked(asked_engine: QueryEngine, filled: Filled) -> dict[str, Asked]:
    """Every answer of one engine to who may see everything."""
    with filled.ground.turn():
        return run_questions(asked_engine, "compliance")
