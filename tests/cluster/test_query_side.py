"""What a replica of the query door has done before anybody asks."""

from __future__ import annotations

from pathlib import Path

from cluster import query_side
from cluster.wiring import open_keys
from tests.homes import small


def test_keys_are_known_before_the_first_question(tmp_path: Path) -> None:
    settings = small(tmp_path)
    token = open_keys(settings).create("desk", (), "analyst").token
    deps = query_side.build(settings)
    try:
        for file in tmp_path.glob("control.db*"):
            file.unlink()
        (tmp_path / "control.db").mkdir()
        assert deps.keys.role_of(token) == "analyst"
    finally:
        deps.engine.close()
