"""One small lake and each engine over it, for every test that only asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import pytest

from catalog.lake.store import LakePlace
from serve_apps.query.engine.port import QueryEngine
from tests.serve_apps.query.engine.engines import GROUNDS
from tests.serve_apps.query.lakes import small


class Small(NamedTuple):
    """An engine over the small lake, and where that is."""

    kind: str
    engine: QueryEngine
    place: LakePlace
    turn: Callable[[], AbstractContextManager[None]]


@pytest.fixture(scope="session", params=GROUNDS)
def small_lake(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    with GROUNDS[request.param](request, tmp_path_factory.mktemp("home")) as ground:
        with ground.turn():
            small(ground.place).close()
            engine = ground.open()
            engine.warm()
        yield Small(request.param, engine, ground.place, ground.turn)
        engine.close()


@pytest.fixture(autouse=True)
def _turn(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that asks the small lake has it to itself."""
    asks = "small_lake" in request.fixturenames
    with request.getfixturevalue("small_lake").turn() if asks else nullcontext():
        yield


@pytest.fixture
def engine(small_lake: Small) -> QueryEngine:
    return small_lake.engine
