"""Servers that suites share, started once a session and only when one asks."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.clock import SystemClock
from catalog.objects.s3 import Place
from cluster.settings import read
from cluster.stack import lifecycle
from cluster.stack.stack import Stack
from tests import bucket as servers


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The real servers, in a folder of their own; what a test keeps in them is its own prefix or schema.

    BEEJAN_TEST_STACK names one that runs already and is left running: its lake is the tests' to empty.
    """
    if running := os.environ.get("BEEJAN_TEST_STACK"):
        yield Stack.open(Path(running))
        return
    folder = Path(tempfile.mkdtemp(prefix="beejan-stack-"))
    settings = replace(read(), stack=folder)
    try:
        lifecycle.up(settings, SystemClock())
        yield Stack.open(folder)
    finally:
        lifecycle.down(settings)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An empty bucket of a real server."""
    with servers.started(tmp_path_factory.mktemp("objects")) as place:
        yield place
