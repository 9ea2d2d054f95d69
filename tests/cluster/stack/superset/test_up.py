"""`beejan stack superset up` looks before it leaps."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.errors import Unavailable
from cluster.stack import lifecycle
from cluster.stack.stack import Stack
from tests.stacks import settings_of


def test_nothing_is_installed_over_servers_that_are_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Stack.create(tmp_path)
    monkeypatch.setattr(lifecycle.environment, "installed", lambda _: pytest.fail("installed"))
    with pytest.raises(Unavailable, match="away=postgres, seaweed, trino: `beejan stack up` first"):
        lifecycle.up_superset(settings_of(tmp_path))
    assert [each.name for each in tmp_path.iterdir()] == ["stack.json"]
