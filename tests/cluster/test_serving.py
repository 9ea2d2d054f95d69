"""What the doors are opened with, and what they say while others are silent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from ray.exceptions import RayActorError

from catalog.errors import Unavailable
from cluster import serving
from serve_apps.ingest.deps import Committed

FOUND = {
    "source": "gateway",
    "disposition": "accepted",
    "reason": None,
    "reason_field": None,
    "commit_seq": 3,
}


class Handle:
    """A deployment's handle that answers, or fails."""

    def __init__(self, answer: Any) -> None:
        self.find = self
        self._answer = answer

    async def remote(self, _: str) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def looked_up(monkeypatch: Any, answer: Any) -> Committed | None:
    monkeypatch.setattr(serving.serve, "get_deployment_handle", lambda *_: Handle(answer))
    return asyncio.run(serving._lookup()("0" * 32))


def test_ports_nobody_asked_for_are_free_ones_and_choices_stay(monkeypatch: Any) -> None:
    given = {"RAY_SERVE_ENABLE_HA_PROXY": "0", serving.OTHER_PORTS[0]: "9101"}
    monkeypatch.setattr(serving.os, "environ", given)
    serving.choose_proxy()
    ports = [given[name] for name in serving.OTHER_PORTS]
    assert (given["RAY_SERVE_ENABLE_HA_PROXY"], ports[0], len(set(ports))) == ("0", "9101", 3)
    assert not {"8404", "8500"} & set(ports)


def test_an_event_is_looked_up_beyond_the_door(monkeypatch: Any) -> None:
    assert looked_up(monkeypatch, FOUND) == Committed("gateway", "accepted", None, None, 3)
    assert looked_up(monkeypatch, None) is None


@pytest.mark.parametrize("failure", [RayActorError(), KeyError("query")])
def test_a_silent_query_side_is_unavailable(monkeypatch: Any, failure: Exception) -> None:
    with pytest.raises(Unavailable):
        looked_up(monkeypatch, failure)


def test_a_hint_to_nobody_is_lost_without_a_word(monkeypatch: Any) -> None:
    def missing(_: str) -> None:
        raise ValueError

    monkeypatch.setattr(serving.ray, "get_actor", missing)
    serving._hint()()
