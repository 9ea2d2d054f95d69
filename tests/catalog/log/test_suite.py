"""What every log backend promises; runs on each of BACKENDS."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from catalog.envelope import Envelope
from catalog.errors import BadInput, CorruptFrame, SegmentLocked
from catalog.log.port import Segment
from catalog.log.writer import Writer
from tests.catalog.log.backends import BACKENDS, Backend
from tests.catalog.log.builders import envelope, envelopes


@pytest.fixture(params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest) -> Backend:
    return BACKENDS[request.param](request)


def use(backend: Backend, steps: Callable[[Writer], Awaitable[None]]) -> None:
    """Run steps with a new writer inside one event loop."""

    async def run() -> None:
        await steps(backend.writer())

    asyncio.run(run())


def sealed(backend: Backend, *groups: Sequence[Envelope]) -> Segment:
    async def steps(writer: Writer) -> None:
        for group in groups:
            await writer.append(group)
        await writer.close()

    use(backend, steps)
    (segment,) = backend.log.segments()
    return segment


def killed(backend: Backend, *groups: Sequence[Envelope]) -> Segment:
    async def steps(writer: Writer) -> None:
        for group in groups:
            await writer.append(group)
        backend.kill(writer)

    use(backend, steps)
    (segment,) = backend.log.segments()
    return segment


def everything(backend: Backend, segment: Segment) -> list[Envelope | None]:
    return [located.envelope for located in backend.log.read(segment.name, segment.start, segment.end)]


def test_a_new_log_has_no_segments(backend: Backend) -> None:
    assert backend.log.segments() == []


def test_what_was_appended_is_read_in_order(backend: Backend) -> None:
    segment = sealed(backend, envelopes(1, 2), envelopes(3))
    assert segment.sealed
    assert everything(backend, segment) == envelopes(1, 2, 3)


def test_a_writer_that_only_probed_leaves_nothing_behind(backend: Backend) -> None:
    async def steps(writer: Writer) -> None:
        writer._is_healthy = False
        await writer.probe()
        assert writer.is_healthy
        await writer.close()

    use(backend, steps)
    for segment in backend.log.segments():
        backend.log.recover(segment.name)
    assert backend.log.segments() == []


def test_bytes_and_odd_fields_come_back_as_they_were(backend: Backend) -> None:
    odd = Envelope("0" * 32, "minted", "", "ünïcode ☎", -1, "", "", "", "k", bytes(range(256)) * 9000)
    assert everything(backend, sealed(backend, [odd])) == [odd]


def test_acknowledged_frames_are_readable_while_the_writer_lives(backend: Backend) -> None:
    async def steps(writer: Writer) -> None:
        await writer.append(envelopes(1))
        (live,) = backend.log.segments()
        assert not live.sealed
        assert everything(backend, live) == envelopes(1)
        await writer.append(envelopes(2))
        (later,) = backend.log.segments()
        assert everything(backend, later._replace(start=live.end)) == envelopes(2)
        await writer.close()

    use(backend, steps)


def test_two_writers_never_share_a_segment(backend: Backend) -> None:
    async def steps(writer: Writer) -> None:
        other = backend.writer()
        await asyncio.gather(writer.append(envelopes(1)), other.append(envelopes(2)))
        await asyncio.gather(writer.close(), other.close())

    use(backend, steps)
    first, second = backend.log.segments()
    assert first.name < second.name
    assert sorted(map(str, everything(backend, first) + everything(backend, second))) == sorted(
        map(str, envelopes(1, 2))
    )


def test_appending_nothing_leaves_nothing(backend: Backend) -> None:
    async def steps(writer: Writer) -> None:
        await writer.append([])
        await writer.close()

    use(backend, steps)
    assert backend.log.segments() == []


def test_a_refused_envelope_takes_its_group_with_it(backend: Backend) -> None:
    async def steps(writer: Writer) -> None:
        bad = envelope(2, payload=bytes(17 * 1024 * 1024))
        with pytest.raises(BadInput):
            await writer.append([envelope(1), bad])
        await writer.append(envelopes(3))
        await writer.close()

    use(backend, steps)
    (segment,) = backend.log.segments()
    assert everything(backend, segment) == envelopes(3)


def test_a_scan_counts_by_channel_and_stops_at_the_limit(backend: Backend) -> None:
    group = [envelope(1, "sms"), envelope(2, "social"), envelope(3, "sms")]
    segment = sealed(backend, group)
    first = backend.log.scan(segment.name, segment.start, 2)
    assert (first.frames, first.by_channel, first.corrupt_at) == (2, {"sms": 1, "social": 1}, None)
    rest = backend.log.scan(segment.name, first.stop, 2)
    assert (rest.frames, rest.by_channel, rest.stop) == (1, {"sms": 1}, segment.end)
    none = backend.log.scan(segment.name, segment.end, 2)
    assert (none.frames, none.by_channel, none.stop) == (0, {}, segment.end)


def test_what_was_scanned_is_what_is_read(backend: Backend) -> None:
    segment = sealed(backend, envelopes(*range(7)))
    seen, at = [], segment.start
    while at < segment.end:
        scan = backend.log.scan(segment.name, at, 3)
        located = backend.log.read(segment.name, at, scan.stop)
        assert len(located) == scan.frames
        assert located[0].offset == at
        seen += [one.envelope for one in located]
        at = scan.stop
    assert seen == envelopes(*range(7))


def test_a_living_writer_is_not_taken_over(backend: Backend) -> None:
    async def steps(writer: Writer) -> None:
        await writer.append(envelopes(1))
        (live,) = backend.log.segments()
        with pytest.raises(SegmentLocked):
            backend.log.recover(live.name)
        with pytest.raises(SegmentLocked):
            backend.log.delete(live.name)
        await writer.append(envelopes(2))
        await writer.close()

    use(backend, steps)
    (segment,) = backend.log.segments()
    assert everything(backend, segment) == envelopes(1, 2)


def test_recovery_keeps_what_was_acknowledged_and_cuts_the_torn_tail(backend: Backend) -> None:
    left = killed(backend, envelopes(1), envelopes(2, 3))
    assert not left.sealed
    recovered = backend.log.recover(left.name)
    assert recovered == left._replace(sealed=True)
    assert backend.log.segments() == [recovered]
    assert everything(backend, recovered) == envelopes(1, 2, 3)


def test_recovering_again_changes_nothing(backend: Backend) -> None:
    left = killed(backend, envelopes(1))
    assert backend.log.recover(left.name) == backend.log.recover(left.name)


def test_a_gone_segment_cannot_be_read_and_is_deleted_already(backend: Backend) -> None:
    segment = sealed(backend, envelopes(1))
    backend.log.delete(segment.name)
    assert backend.log.segments() == []
    backend.log.delete(segment.name)
    with pytest.raises(LookupError):
        backend.log.read(segment.name, segment.start, segment.end)
    with pytest.raises(LookupError):
        backend.log.scan(segment.name, segment.start, 1)
    with pytest.raises(LookupError):
        backend.log.recover(segment.name)


def test_a_stamp_is_not_before_receipt_and_not_after_acknowledgement(backend: Backend) -> None:
    """A group is received as a whole before any of it is acknowledged; so is what stands before it."""
    segment = sealed(backend, envelopes(4, 9, 6), envelopes(7), envelopes(12, 11))
    newest = [9, 9, 9, 9, 12, 12]
    zero_us = envelopes(0)[0].received_us
    headers = backend.log.headers(segment.name, segment.start, segment.end)
    assert [stamp - zero_us for stamp in headers.stamps_us] == newest
    assert headers.channels == [b"sms"] * 6
    located = backend.log.read(segment.name, segment.start, segment.end)
    assert [headers.start, *headers.stops] == [*(at.offset for at in located), segment.end]
    for stop, expected in ((located[3].offset, newest[:3]), (located[3].offset + 1, newest[:4])):
        piece = backend.log.headers(segment.name, segment.start, stop)
        assert [stamp - zero_us for stamp in piece.stamps_us] == expected
        assert piece.stops == headers.stops[: len(expected)]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_headers_end_before_a_bad_frame_until_it_is_given_up(backend: Backend, which: int) -> None:
    segment = sealed(backend, envelopes(0), envelopes(1), envelopes(2))
    offsets = [at.offset for at in backend.log.read(segment.name, segment.start, segment.end)]
    backend.damage(segment.name, offsets[which])
    headers = backend.log.headers(segment.name, segment.start, segment.end)
    assert (headers.stops, headers.corrupt_at) == (offsets[1 : which + 1], offsets[which])
    headers = backend.log.headers(segment.name, segment.start, segment.end, frozenset({offsets[which]}))
    assert (headers.stops, headers.corrupt_at) == ([*offsets[1:], segment.end], None)
    assert headers.channels == [b"unknown" if n == which else b"sms" for n in range(3)]


@pytest.mark.parametrize("leave", [sealed, killed])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_bad_frame_stops_its_segment_until_it_is_given_up(
    backend: Backend, leave: Callable[..., Segment], which: int
) -> None:
    segment = leave(backend, envelopes(0), envelopes(1), envelopes(2))
    located = backend.log.read(segment.name, segment.start, segment.end)
    bad = located[which].offset
    backend.damage(segment.name, bad)
    scan = backend.log.scan(segment.name, segment.start, 10)
    assert (scan.frames, scan.stop, scan.corrupt_at) == (which, bad, bad)
    with pytest.raises(CorruptFrame) as raised:
        backend.log.read(segment.name, segment.start, segment.end)
    assert raised.value.fields == {"segment": segment.name, "offset": bad}
    assert f"beejan log quarantine {segment.name} {bad}" in raised.value.hint
    given_up = frozenset({bad})
    scan = backend.log.scan(segment.name, segment.start, 10, given_up)
    assert (scan.frames, scan.by_channel, scan.corrupt_at) == (3, {"sms": 2, "unknown": 1}, None)
    assert scan.stop == segment.end
    stop = located[which + 1].offset if which < 2 else segment.end
    ends_there = backend.log.scan(segment.name, segment.start, which + 1, given_up)
    assert (ends_there.frames, ends_there.stop) == (which + 1, stop)
    again = backend.log.read(segment.name, segment.start, segment.end, given_up)
    expected = [one if n != which else one.__class__(one.segment, bad, None) for n, one in enumerate(located)]
    assert again == expected
    assert len(backend.log.raw_bytes(segment.name, bad)) == stop - bad


def test_recovery_refuses_to_cut_a_durable_frame(backend: Backend) -> None:
    left = killed(backend, envelopes(1), envelopes(2))
    last = backend.log.read(left.name, left.start, left.end)[-1].offset
    backend.damage(left.name, last)
    with pytest.raises(CorruptFrame):
        backend.log.recover(left.name)
    assert backend.log.segments() == [left]
