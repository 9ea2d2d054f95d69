"""Servers that suites share, started once a session and only when one asks."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from catalog.objects.s3 import Place
    from cluster.stack.stack import Stack

OF_THE_MACHINE = {"BEEJAN_TEST_STACK", "BEEJAN_CACHE", "BEEJAN_TRINO_TARBALL"}


def pytest_configure() -> None:
    """Whatever else the caller's environment says of the product is nothing to its tests."""
    for name in [name for name in os.environ if name.startswith("BEEJAN_") and name not in OF_THE_MACHINE]:
        del os.environ[name]


# Their clients take a second to import, which tests that need none do not pay.


@pytest.fixture(scope="session")
def own_ports() -> Iterator[None]:
    """Of the ports for servers a part for each pytest process: a server listens long after its port was
    chosen, and until then another process might choose it, too."""
    from cluster.stack import stack

    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stack, "_PORTS", stack._PORTS[worker::workers])
        yield


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory, own_ports: None) -> Iterator[Place]:
    """An empty bucket of a real server."""
    from tests import bucket as servers

    with servers.started(tmp_path_factory.mktemp("objects")) as place:
        yield place


@pytest.fixture(scope="session")
def stack(own_ports: None) -> Iterator[Stack]:
    """The real servers, in a folder of their own; what a test keeps in them is its own prefix or schema.

    BEEJAN_TEST_STACK names one that runs already and is left running: its lake is the tests' to empty.
    """
    from catalog.clock import SystemClock
    from cluster.stack import lifecycle
    from cluster.stack.stack import Stack
    from tests.stacks import settings_of

    if running := os.environ.get("BEEJAN_TEST_STACK"):
        yield Stack.open(Path(running))
        return
    folder = Path(tempfile.mkdtemp(prefix="beejan-stack-"))
    try:
        lifecycle.up(settings_of(folder), SystemClock())
        yield Stack.open(folder)
    finally:
        lifecycle.down(settings_of(folder))
        shutil.rmtree(folder)
