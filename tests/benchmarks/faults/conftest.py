"""Trials run in one warm process of their own: this one has threads and stores open, which must not fork."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Protocol

import pytest

from benchmarks.faults import bench
from benchmarks.faults.bench import Outcome, Trial
from cluster.stack.stack import Stack


class CarryOut(Protocol):
    """Carries out a trial of a part: what came of it. On the servers of a stack when one is given."""

    def __call__(self, part: str, trial: Trial, stack: Stack | None = None) -> Outcome: ...


@pytest.fixture(scope="session")
def carry_out() -> Iterator[CarryOut]:
    """Trials in a warm process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield lambda part, trial, stack=None: pool.submit(outcome, part, trial, stack).result()


def outcome(part: str, trial: Trial, stack: Stack | None) -> Outcome:
    """In the warm process."""
    return bench.carry_out(bench.load(part), trial, stack)
