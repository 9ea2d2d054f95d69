"""One small lake and each engine over it, for every test that only asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serve_apps.query.engine.port import QueryEngine
from tests.serve_apps.query.engine.engines import ENGINES
from tests.serve_apps.query.lakes import small


@pytest.fixture(scope="session")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    small(home).close()
    return home


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest, small_home: Path) -> Iterator[QueryEngine]:
    engine = ENGINES[request.param](small_home)
    yield engine
    engine.close()
