"""Servers that suites share, started once a session and only when one asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from catalog.objects.s3 import Place
from tests import bucket as servers


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An empty bucket of a real server."""
    with servers.started(tmp_path_factory.mktemp("objects")) as place:
        yield place
