"""The memory behind Ray: what becomes of a call whose rows, or whose actor, went down with a machine."""

from __future__ import annotations

from typing import Any

import pytest
import ray
from ray.exceptions import ActorDiedError, ObjectLostError, RayError, RayTaskError

from actors.dedup.actor import RayMemory
from catalog.errors import BeejanError, MemoryBehind, Unavailable

LOST = ObjectLostError("00" * 28, None, "")


class Actor:
    """Answers every call with a reference that says nothing."""

    def __getattr__(self, name: str) -> Any:
        return self

    def remote(self, *_: object) -> Actor:
        return self


def task_failed(cause: Exception) -> RayError:
    failed: RayError = RayTaskError("decide", "", cause).as_instanceof_cause()
    return failed


@pytest.mark.parametrize(
    ("comes", "told"),
    [
        (task_failed(MemoryBehind("behind")), MemoryBehind),
        (ActorDiedError(), Unavailable),
        (task_failed(LOST), Unavailable),  # the rows it was given
        (LOST, Unavailable),  # the rows it answered with
        (task_failed(KeyError("a bug")), KeyError),
    ],
)
def test_what_a_call_comes_to(
    comes: Exception, told: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def get(_: object) -> None:
        raise comes

    monkeypatch.setattr(ray, "get", get)
    with pytest.raises(told) as caught:
        RayMemory(Actor()).drop(1)
    assert isinstance(caught.value, BeejanError) or told is KeyError
