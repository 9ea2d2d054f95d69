"""Through a bad network: what is acknowledged is there, once, and the writer goes on."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from contextlib import suppress

import pytest

from benchmarks.faults.proxy import FATES, between
from catalog.errors import NotDurable, Unavailable
from catalog.log.objects import ObjectLog
from catalog.objects.s3 import S3, Place
from tests.catalog.log.builders import SMALL, FakeClock, envelope
from tests.catalog.objects.backends import place

GROUPS = 150
SEALED_EVERY = dataclasses.replace(SMALL, segment_bytes=6_000)


def through(there: Place, port: int) -> S3:
    return S3(dataclasses.replace(there, endpoint=f"http://127.0.0.1:{port}"))


def read(log: ObjectLog) -> Counter[str]:
    return Counter(
        at.envelope.event_id
        for segment in log.segments()
        for at in log.read(segment.name, segment.start, segment.end)
        if at.envelope is not None
    )


def patiently(log: ObjectLog) -> Counter[str]:
    while True:
        with suppress(Unavailable):
            return read(log)


@pytest.mark.parametrize(("ratio", "seed"), [(0.05, 1), (0.05, 2), (0.15, 3)])
def test_nothing_acknowledged_is_missing_and_nothing_stands_there_twice(
    request: pytest.FixtureRequest, ratio: float, seed: int
) -> None:
    there = place(request)
    acknowledged: set[str] = set()

    async def write(objects: S3) -> None:
        writer = ObjectLog(objects, FakeClock()).writer(SEALED_EVERY)
        for n in range(GROUPS):
            group = [envelope(2 * n), envelope(2 * n + 1)]
            try:
                await writer.append(group)
            except NotDurable:
                continue
            acknowledged.update(each.event_id for each in group)
        while not writer.is_healthy:
            n += 1
            with suppress(NotDurable):
                await writer.append([envelope(2 * n)])
        with suppress(NotDurable):
            await writer.close()

    upstream = int(there.endpoint.rpartition(":")[2])
    with between(upstream, ratio, seed) as proxy:
        objects = through(there, proxy.port)
        objects._pause = lambda _: None
        asyncio.run(write(objects))
        seen = patiently(ObjectLog(through(there, proxy.port), FakeClock()))
    assert set(FATES) <= proxy.did.keys()
    stored = read(ObjectLog(S3(there), FakeClock()))
    assert acknowledged <= stored.keys()
    assert len(acknowledged) > GROUPS
    assert set(stored.values()) == {1}
    assert seen == stored
