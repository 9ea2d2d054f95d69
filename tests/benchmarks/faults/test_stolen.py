"""A writer that slept through the end of its segment acknowledges nothing that is not in the log."""

from __future__ import annotations

import pytest

from benchmarks.faults.stolen import steal
from tests.catalog.objects.backends import place


@pytest.mark.parametrize("seed", range(5))
def test_a_stolen_segment_is_never_acknowledged_into(request: pytest.FixtureRequest, seed: int) -> None:
    assert steal(place(request), seed) == []
