"""The wrapper: its engine gets ready before anybody asks, and ends with it."""

from __future__ import annotations

import asyncio
import threading

import pyarrow as pa

from serve_apps.query.deployment import LookupReplica, Replica, is_ending
from tests.serve_apps.query.test_api import Canned, deps


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


def test_the_engine_gets_ready_beside_the_replica_and_ends_with_its_application() -> None:
    engine = Cold()
    replica = Replica(lambda: deps(engine))
    app = replica.__serve_build_asgi_app__()

    async def life() -> None:
        async with app.router.lifespan_context(app):
            assert not engine.is_warm.is_set()
            engine.may.set()
            assert await asyncio.to_thread(engine.is_warm.wait, 60)
            assert not engine.closed.is_set()

    asyncio.run(life())
    assert engine.closed.is_set()


def test_the_engine_of_the_look_ups_ends_with_its_replica() -> None:
    engine = Cold()
    replica = LookupReplica(lambda: engine)
    assert not engine.is_warm.is_set()
    engine.may.set()
    assert engine.is_warm.wait(60)
    del replica
    assert engine.closed.is_set()


def test_a_process_without_a_replica_is_not_told_to_end() -> None:
    assert not is_ending()
