"""Servers that suites share, started once a session and only when one asks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from catalog.objects.s3 import Place
    from cluster.stack.stack import Stack

# Their clients take a second to import, which tests that need none do not pay.


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An empty bucket of a real server."""
    from tests import bucket as servers

    with servers.started(tmp_path_factory.mktemp("objects")) as place:
        yield place


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The real servers, in a folder of their own; what a test keeps in them is its own prefix or schema."""
    from catalog.clock import SystemClock
    from cluster.stack import lifecycle
    from cluster.stack.stack import Stack
    from tests.stacks import settings_of

    folder = Path(tempfile.mkdtemp(prefix="beejan-stack-"))
    try:
        lifecycle.up(settings_of(folder), SystemClock())
        yield Stack.open(folder)
    finally:
        lifecycle.down(settings_of(folder))
        shutil.rmtree(folder)
