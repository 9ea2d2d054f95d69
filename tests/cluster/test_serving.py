"""What the doors are opened with, and what they say while others are silent."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from cluster import serving


def test_what_nobody_chose_is_free_and_our_own_and_choices_stay(monkeypatch: Any) -> None:
    given = {"RAY_SERVE_ENABLE_HA_PROXY": "0", serving.OTHER_PORTS[0]: "9101"}
    monkeypatch.setattr(serving.os, "environ", given)
    with serving.proxy_chosen():
        ports = [given[name] for name in serving.OTHER_PORTS]
        assert (given["RAY_SERVE_ENABLE_HA_PROXY"], ports[0], len(set(ports))) == ("0", "9101", 2)
        assert not {"8404", "8500"} & set(ports)
        folder = Path(given["RAY_SERVE_HAPROXY_SOCKET_PATH"]).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert all(given[name].startswith(str(folder)) for name in serving.FILES)
    assert not folder.exists()


def test_a_hint_to_nobody_is_lost_without_a_word(monkeypatch: Any) -> None:
    def missing(_: str) -> None:
        raise ValueError

    monkeypatch.setattr(serving.ray, "get_actor", missing)
    serving._hint()()
