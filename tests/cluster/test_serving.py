"""What the doors are opened with, and what they say while others are silent."""

from __future__ import annotations

from typing import Any

from cluster import serving


def test_ports_nobody_asked_for_are_free_ones_and_choices_stay(monkeypatch: Any) -> None:
    given = {"RAY_SERVE_ENABLE_HA_PROXY": "0", serving.OTHER_PORTS[0]: "9101"}
    monkeypatch.setattr(serving.os, "environ", given)
    serving.choose_proxy()
    ports = [given[name] for name in serving.OTHER_PORTS]
    assert (given["RAY_SERVE_ENABLE_HA_PROXY"], ports[0], len(set(ports))) == ("0", "9101", 3)
    assert not {"8404", "8500"} & set(ports)


def test_a_hint_to_nobody_is_lost_without_a_word(monkeypatch: Any) -> None:
    def missing(_: str) -> None:
        raise ValueError

    monkeypatch.setattr(serving.ray, "get_actor", missing)
    serving._hint()()
