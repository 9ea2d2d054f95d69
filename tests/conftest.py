"""What more than one suite needs, made on demand once for all tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.clock import SystemClock
from cluster.settings import read
from cluster.stack import lifecycle
from cluster.stack.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The real servers, in a folder of their own; what a test keeps in them is its own prefix or schema."""
    folder = Path(tempfile.mkdtemp(prefix="beejan-stack-"))
    settings = replace(read(), stack=folder)
    try:
        lifecycle.up(settings, SystemClock())
        yield Stack.open(folder)
    finally:
        lifecycle.down(settings)
        shutil.rmtree(folder)
