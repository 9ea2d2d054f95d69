"""The wrapper: its engine gets ready before anybody asks, and ends with it."""

from __future__ import annotations

import threading
from typing import Any

import pyarrow as pa
import pytest

from serve_apps.query.api import Deps
from serve_apps.query.deployment import LookupReplica, Replica
from tests.serve_apps.query.test_api import Canned, Keys, original


class Cold(Canned):
    """An engine that takes as long to get ready as it is let."""

    def __init__(self) -> None:
        super().__init__(pa.table({}))
        self.may, self.is_warm, self.closed = threading.Event(), threading.Event(), threading.Event()

    def warm(self) -> None:
        assert self.may.wait(60)
        self.is_warm.set()

    def close(self) -> None:
        self.closed.set()


@pytest.mark.parametrize("kind", [Replica, LookupReplica])
def test_the_engine_gets_ready_beside_the_replica(kind: Any) -> None:
    engine = Cold()
    replica = kind(lambda: Deps(engine, Keys(), original) if kind is Replica else engine)
    assert not engine.is_warm.is_set()
    engine.may.set()
    assert engine.is_warm.wait(60)
    del replica
    assert engine.closed.is_set()
