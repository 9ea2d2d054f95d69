"""Servers for tests that kill them: others' are not to be killed."""

from __future__ import annotations

import os

import pytest

from cluster.stack.stack import Stack
from tests import stacks
from tests.conftest import SERVERS


@pytest.fixture(scope="session")
def killed(pytestconfig: pytest.Config, own_ports: None) -> Stack:
    """Servers of this process's own; whoever began the run ends them."""
    return stacks.started(pytestconfig.stash[SERVERS] / f"killed-{os.getpid()}")
