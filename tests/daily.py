"""Of many cases of one promise `make test` tries some, and `make test-full` all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from _pytest.mark import ParameterSet

FULL = pytest.mark.full


def some(cases: Iterable[Any], daily: int) -> list[ParameterSet]:
    """For `pytest.mark.parametrize`: the first `daily` cases run in each suite, the others in the full."""
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=[] if at < daily else FULL)
        for at, case in enumerate(cases)
    ]
