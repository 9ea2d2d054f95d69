"""What a replica of the query door has done before anybody asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.errors import Unavailable
from cluster import places, query_side
from cluster.places import Trino
from cluster.stack.stack import Stack
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
        found = deps.keys.find(token)
        assert found is not None
        assert found.role == "analyst"
    finally:
        deps.engine.close()


@pytest.mark.parametrize("trino_answers", [False, True])
def test_views_are_not_touched_while_a_server_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trino_answers: bool
) -> None:
    nobody = Stack.create(tmp_path)
    nobody.rules.parent.mkdir(parents=True)
    nobody.rules.write_text("before")
    settings = small(tmp_path / "home", profile="cluster", stack=tmp_path, cluster=tmp_path / "cluster.json")
    places.write(places.of_stack(nobody), settings.cluster)
    if trino_answers:
        monkeypatch.setattr(Trino, "require_answer", lambda _: None)
    with pytest.raises(Unavailable, match="catalog" if trino_answers else "SQL server"):
        query_side.apply_views(settings, [])
    assert nobody.rules.read_text() == "before"
