"""What the doors say while others are silent."""

from __future__ import annotations

from typing import Any

from cluster import serving


def test_a_hint_to_nobody_is_lost_without_a_word(monkeypatch: Any) -> None:
    def missing(_: str) -> None:
        raise ValueError

    monkeypatch.setattr(serving.ray, "get_actor", missing)
    serving._hint()()
