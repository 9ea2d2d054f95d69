"""Groups, back-pressure and who is told what, over a sink that a test holds in its hand."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from catalog.errors import BadInput, NotDurable
from catalog.log.frames import decode_body, encode_body
from catalog.log.writer import Writer
from tests.catalog.log.builders import envelope, envelopes

GIVE_UP_S = 600
"""Only ever passes when somebody would have waited for ever."""
SIZE = len(encode_body(envelope(1)))


class HeldSink:
    """Flushes end when the test lets them, and fail when it says so."""

    def __init__(self) -> None:
        self.groups: list[list[bytes]] = []
        self.failures: list[Exception] = []
        self.closed = 0
        self.go = threading.Semaphore(0)
        self.began = threading.Semaphore(0)

    def flush(self, bodies: list[bytes]) -> None:
        self.groups.append(bodies)
        self.began.release()
        self.go.acquire()
        if self.failures:
            raise self.failures.pop()

    def roll_if_old(self) -> None:
        if self.failures:
            raise self.failures.pop()

    begin = roll_if_old

    def close(self) -> None:
        self.closed += 1
        self.roll_if_old()

    async def until_begun(self) -> None:
        await asyncio.to_thread(self.began.acquire)


def run(
    steps: Callable[[HeldSink, Writer], Awaitable[None]],
    queue_bytes: int = 10**6,
    answer_s: float | None = None,
) -> HeldSink:
    sink = HeldSink()

    async def main() -> None:
        writer = Writer(sink, queue_bytes, answer_s)
        try:
            async with asyncio.timeout(GIVE_UP_S):
                await steps(sink, writer)
        finally:
            sink.go.release(100)
        await writer.close()

    asyncio.run(main())
    return sink


async def settle() -> None:
    """Let every task that can go on go on."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_group_is_what_arrived_during_the_flush_before() -> None:
    async def steps(sink: HeldSink, writer: Writer) -> None:
        first = asyncio.create_task(writer.append(envelopes(1)))
        await sink.until_begun()
        others = [asyncio.create_task(writer.append(envelopes(n, n + 10))) for n in (2, 3)]
        await settle()
        assert len(sink.groups) == 1
        sink.go.release()
        await first
        await sink.until_begun()
        assert not any(task.done() for task in others)
        sink.go.release()
        await asyncio.gather(*others)

    sink = run(steps)
    assert [[decode_short(body) for body in group] for group in sink.groups] == [
        envelopes(1),
        envelopes(2, 12, 3, 13),
    ]


def decode_short(body: bytes) -> object:
    return decode_body(body[4:])


def test_a_failure_reaches_the_group_and_everyone_queued() -> None:
    async def steps(sink: HeldSink, writer: Writer) -> None:
        sink.failures.append(OSError(5, "the disk"))
        first = asyncio.create_task(writer.append(envelopes(1)))
        await sink.until_begun()
        second = asyncio.create_task(writer.append(envelopes(2)))
        await settle()
        sink.go.release()
        errors = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(error) for error in errors] == [NotDurable, NotDurable]
        assert errors[0] is not errors[1]
        assert not writer.is_healthy
        sink.go.release()
        await writer.append(envelopes(3))
        assert writer.is_healthy

    assert len(run(steps).groups) == 2


def test_nobody_waits_for_a_flush_that_hangs_and_what_waits_behind_it_is_not_written() -> None:
    async def steps(sink: HeldSink, writer: Writer) -> None:
        first = asyncio.create_task(writer.append(envelopes(1)))
        await sink.until_begun()
        behind = [asyncio.create_task(writer.append(envelopes(n))) for n in (2, 3)]
        errors = await asyncio.gather(first, *behind, return_exceptions=True)
        assert [type(error) for error in errors] == [NotDurable] * 3
        assert writer._held_bytes == SIZE  # of the group under way
        while writer.is_healthy:
            await asyncio.sleep(0)
        with pytest.raises(NotDurable):  # refused at once
            writer.append(envelopes(4)).send(None)
        await writer.roll_if_old()  # waits for nobody either
        sink.go.release(2)
        while not writer.is_healthy:
            await asyncio.sleep(0)
        await writer.append(envelopes(5))

    sink = run(steps, answer_s=0.01)
    assert [[decode_short(body) for body in group] for group in sink.groups] == [envelopes(1), envelopes(5)]


def test_whoever_waits_to_be_let_in_waits_no_longer_either() -> None:
    async def steps(sink: HeldSink, writer: Writer) -> None:
        tasks = [asyncio.create_task(writer.append(envelopes(n))) for n in (1, 2, 3)]
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(error) for error in errors] == [NotDurable] * 3

    assert len(run(steps, queue_bytes=1, answer_s=0.01).groups) == 1


def test_a_writer_nobody_sends_to_becomes_healthy_again() -> None:
    async def steps(sink: HeldSink, writer: Writer) -> None:
        sink.failures += [OSError(5, "the disk")] * 2
        sink.go.release()
        with pytest.raises(NotDurable):
            await writer.append(envelopes(1))
        await writer.probe()
        assert not writer.is_healthy
        await writer.probe()
        assert writer.is_healthy

    run(steps)


def test_an_unexpected_error_leaves_nobody_waiting() -> None:
    async def steps(sink: HeldSink, writer: Writer) -> None:
        sink.failures.append(MemoryError())
        sink.go.release()
        with pytest.raises(NotDurable):
            await writer.append(envelopes(1))

    run(steps)


def test_append_waits_while_too_much_waits_and_keeps_the_order() -> None:
    async def steps(sink: HeldSink, writer: Writer) -> None:
        first = asyncio.create_task(writer.append(envelopes(1)))
        await sink.until_begun()
        big = asyncio.create_task(writer.append(envelopes(2, 3)))
        await settle()
        small = asyncio.create_task(writer.append(envelopes(4)))
        await settle()
        assert writer._held_bytes == SIZE
        sink.go.release()
        await first
        await sink.until_begun()
        assert writer._held_bytes == 2 * SIZE
        sink.go.release(10)
        await asyncio.gather(big, small)

    sink = run(steps, queue_bytes=2 * SIZE)
    assert [len(group) for group in sink.groups] == [1, 2, 1]


def test_one_append_larger_than_the_queue_goes_alone() -> None:
    async def steps(sink: HeldSink, writer: Writer) -> None:
        sink.go.release()
        await writer.append(envelopes(1, 2, 3))

    assert len(run(steps, queue_bytes=1).groups[0]) == 3


def test_a_cancelled_caller_does_not_take_the_others_along() -> None:
    async def steps(sink: HeldSink, writer: Writer) -> None:
        first = asyncio.create_task(writer.append(envelopes(1)))
        await sink.until_begun()
        gone, stays = (asyncio.create_task(writer.append(envelopes(n))) for n in (2, 3))
        await settle()
        gone.cancel()
        sink.go.release(2)
        await asyncio.gather(first, stays)
        assert gone.cancelled()
        assert writer._held_bytes == 0

    run(steps)


def test_close_flushes_what_waits_and_what_waits_to_be_let_in() -> None:
    async def steps(sink: HeldSink, writer: Writer) -> None:
        tasks = [asyncio.create_task(writer.append(envelopes(n))) for n in (1, 2, 3)]
        await sink.until_begun()
        closing = asyncio.create_task(writer.close())
        await settle()
        with pytest.raises(NotDurable, match="closed"):
            await writer.append(envelopes(4))
        sink.go.release(3)
        await asyncio.gather(closing, *tasks)
        await writer.close()

    sink = run(steps, queue_bytes=SIZE)
    assert sum(map(len, sink.groups)) == 3
    assert sink.closed == 1


def test_a_segment_that_cannot_be_sealed_is_reported() -> None:
    async def steps(sink: HeldSink, writer: Writer) -> None:
        sink.failures.append(OSError(5, "the disk"))
        with pytest.raises(NotDurable, match="sealed"):
            await writer.roll_if_old()
        assert not writer.is_healthy

    run(steps)


@pytest.mark.parametrize(
    "bad",
    [
        {"event_id": "short"},
        {"event_id": "A" * 32},
        {"channel": "ü"},
        {"channel": "c" * 256},
        {"source": "\ud800"},
        {"received_us": 1 << 63},
        {"payload": bytes(16 * 1024 * 1024)},
    ],
    ids=lambda bad: next(iter(bad)),
)
def test_what_cannot_be_stored_is_refused_before_it_is_queued(bad: dict[str, object]) -> None:
    async def steps(sink: HeldSink, writer: Writer) -> None:
        values = {name: getattr(envelope(1), name) for name in envelope(1).__struct_fields__}
        with pytest.raises(BadInput):
            await writer.append([envelope(1).__class__(**(values | bad))])

    assert run(steps).groups == []
