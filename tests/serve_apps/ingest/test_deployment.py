"""The wrapper: it pickles, knows its limits, and says when it cannot write."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from grpc import RpcError
from ray import cloudpickle
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError

from catalog import errors
from catalog.errors import BeejanError, Unavailable
from serve_apps.committed import Committed
from serve_apps.ingest import deployment
from serve_apps.ingest.deployment import OPTIONS, Replica, ingest, passing
from tests.serve_apps.ingest.doors import client, deps, token

FOUND = Committed("gateway", "accepted", None, None, 7)


def test_a_replica_builds_its_own_door(tmp_path: Path) -> None:
    key = token(tmp_path)
    replica = Replica(cloudpickle.loads(cloudpickle.dumps(partial(deps, tmp_path))))
    app = replica.__serve_build_asgi_app__()

    async def day() -> int:
        async with app.router.lifespan_context(app), client(app, key) as door:
            return (await door.post("/v1/sms/events", json={})).status_code

    assert asyncio.run(day()) == 202


def test_serve_ends_no_replica_for_its_log() -> None:
    """It calls this where there is one, and starts another replica when it raises."""
    assert not hasattr(Replica, "check_health")


def test_nothing_waits_without_a_limit(tmp_path: Path) -> None:
    bound = ingest(partial(deps, tmp_path), num_replicas=2)._bound_deployment
    assert (bound.num_replicas, bound.name) == (2, deployment.NAME)
    assert bound.max_ongoing_requests == OPTIONS["max_ongoing_requests"] > 0
    assert bound.max_queued_requests == OPTIONS["max_queued_requests"] > 0


class Handle:
    """A deployment's handle that answers, or fails."""

    def __init__(self, failure: Exception | None) -> None:
        self.find = self
        self._failure = failure

    async def remote(self, event_id: str) -> Committed:
        if self._failure is not None:
            raise self._failure
        return FOUND._replace(source=event_id)


def wrapped(error: BeejanError) -> Exception:
    """As Ray gives what was raised in an actor."""
    cause: Exception = RayTaskError("find", "Traceback", error).as_instanceof_cause()
    return cause


OURS = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, BeejanError)]
RAISED = [*(kind("said") for kind in OURS), *(wrapped(kind("said")) for kind in OURS)]
GONE = [RayActorError(), BackPressureError(1, 1), RpcError()]


@pytest.mark.parametrize("failure", [None, *GONE, *RAISED], ids=repr)
def test_a_query_side_that_is_gone_is_unavailable(monkeypatch: Any, failure: Exception | None) -> None:
    monkeypatch.setattr(deployment.serve, "get_deployment_handle", lambda *_: Handle(failure))
    if failure is None:
        assert asyncio.run(ask()) == FOUND._replace(source="e1")
    else:
        with pytest.raises(Unavailable):
            asyncio.run(ask())


def test_a_query_side_that_never_was_is_unavailable(monkeypatch: Any) -> None:
    def missing(*_: str) -> None:
        raise KeyError("query")

    monkeypatch.setattr(deployment.serve, "get_deployment_handle", missing)
    with pytest.raises(Unavailable):
        asyncio.run(ask())


async def ask() -> Committed:
    found: Committed = await passing("lookup", "lookup", "find")("e1")
    return found
