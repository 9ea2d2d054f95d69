"""A control database of each kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.control.schema import sqlite_url
from tests.places import on_servers


@pytest.fixture(params=["sqlite", "postgresql"])
def control_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "control.db")
    return on_servers(request.getfixturevalue("stack")).control_url
