"""Servers that suites share, started once for all processes of pytest when one asks; the order of tests."""

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
MEMORY, MEMORY_BYTES = Path("/dev/shm"), 6 << 30
"""Where tests and servers keep their files if it has that much room: every step syncs, which costs a disk
milliseconds. What a disk does when the power goes is tried on one of its own (tests/benchmarks/faults)."""
SERVERS = pytest.StashKey[Path]()
"""The folder of the servers of this run."""


def pytest_configure(config: pytest.Config) -> None:
    """Whatever else the caller's environment says of the product is nothing to its tests, and Ray is chosen
    as commands do, before anybody imports it."""
    from cluster import ray_environment

    ray_environment.choose()
    for name in [name for name in os.environ if name.startswith("BEEJAN_") and name not in OF_THE_MACHINE]:
        del os.environ[name]
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    given = getattr(config, "workerinput", None)
    if given is not None:
        config.stash[SERVERS] = Path(given["servers"])
        return
    folder = Path(tempfile.mkdtemp(prefix="beejan-tests-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
    folder.chmod(0o711)  # root lends PostgreSQL to another account, which has to come here
    config.stash[SERVERS] = folder


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell a worker of xdist where the servers of this run are."""
    node.workerinput["servers"] = str(node.config.stash[SERVERS])  # type: ignore[attr-defined]


def _kind(item: pytest.Item) -> str:
    for kind in ("first", "slow"):
        if item.get_closest_marker(kind):
            return kind
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return "first" if "trino" in map(str, parameters.values()) else "quick"  # it has one lake for all


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of two workers each gets half of the tests, in order; whose are done takes from the end of the other's.
    So both halves begin with what takes long, and end with what may change hands."""
    kinds: dict[str, list[pytest.Item]] = {"first": [], "slow": [], "quick": []}
    for item in items:
        kinds[_kind(item)].append(item)
    first, slow, quick = kinds.values()
    beside = max(0, len(items) // 2 - len(first))
    items[:] = [*first, *quick[:beside], *slow, *quick[beside:]]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Whoever began the run ends its servers."""
    if hasattr(config, "workerinput") or SERVERS not in config.stash:
        return
    for folder in config.stash[SERVERS].iterdir():
        if folder.name == "bucket":
            from tests import bucket

            bucket.end(folder)
        elif (folder / "stack.json").exists():
            from tests import stacks

            stacks.end(folder)
    shutil.rmtree(config.stash[SERVERS])


# Their clients take a second to import, which tests that need none do not pay.


@pytest.fixture(scope="session")
def own_ports() -> Iterator[None]:
    """Of the ports for servers a part for each pytest process: a server listens long after its port was
    chosen, and until then another process might choose it, too."""
    from cluster.stack import stack

    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    with pytest.MonkeyPatch.context() as patch:
        share = len(stack._PORTS) // workers  # in a row, as some are needed
        patch.setattr(stack, "_PORTS", stack._PORTS[worker * share : (worker + 1) * share])
        yield


@pytest.fixture(scope="session")
def bucket(pytestconfig: pytest.Config, own_ports: None) -> Place:
    """A bucket of a real server; what a test keeps there is its own prefix."""
    from tests import bucket

    return bucket.started(pytestconfig.stash[SERVERS] / "bucket")


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config, own_ports: None) -> Stack:
    """The real servers; what a test keeps in them is its own database, prefix or schema.

    BEEJAN_TEST_STACK names one that runs already and is left running: its lake is the tests' to empty.
    """
    from cluster.stack.stack import Stack
    from tests import stacks

    if running := os.environ.get("BEEJAN_TEST_STACK"):
        return Stack.open(Path(running))
    return stacks.started(pytestconfig.stash[SERVERS] / "stack")
