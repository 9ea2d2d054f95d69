"""What more than one suite needs, made on demand once for all tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cluster.stack.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The real servers, in a folder of their own; what a test keeps in them is its own prefix or schema."""
    # The clients of three servers take a second to import, which tests that need none do not pay.
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
