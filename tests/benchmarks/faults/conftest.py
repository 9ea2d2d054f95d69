"""Trials run in one warm process of their own: this one has threads and stores open, which must not fork."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from benchmarks.faults import bench
from benchmarks.faults.bench import Outcome, Trial

CarryOut = Callable[[str, Trial], Outcome]


@pytest.fixture(scope="session")
def carry_out() -> Iterator[CarryOut]:
    """Carry out a trial of a part: what came of it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield lambda part, trial: pool.submit(outcome, part, trial).result()


def outcome(part: str, trial: Trial) -> Outcome:
    """In the warm process."""
    return bench.carry_out(bench.load(part), trial)
