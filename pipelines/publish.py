"""From hot segment to raw files: a committed segment moves to the raw layer, checked before it goes."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.clock import Clock
from catalog.control.plans import PlanStore
from catalog.envelope import Located
from catalog.errors import CorruptFrame, SegmentLocked
from catalog.failpoints import hit
from catalog.log.port import Log, Segment
from catalog.raw import UNKNOWN_DATE, Entry, Raw
from pipelines.stages.decode import event_date


class Publisher:
    """The sequencer's turn that publishes one segment, if there is one whose every frame is committed."""

    def __init__(
        self, log: Log, raw: Raw, plans: PlanStore, clock: Clock, stopped: dict[str, CorruptFrame]
    ) -> None:
        """`stopped` is filled: segments that cannot be published, and why."""
        self._log = log
        self._raw = raw
        self._plans = plans
        self._clock = clock
        self._stopped = stopped

    def turn(self, commit_seq: int) -> bool:
        """Publish the next committed segment; True when there was one."""
        progress = self._plans.progress()
        listed = {segment.name: segment for segment in self._log.segments()}
        for name in self._plans.published((listed.keys() | self._stopped.keys()) - progress.keys()):
            if name in listed:
                self._remove(name)
            else:
                del self._stopped[name]  # it came back damaged, and somebody removed it
        for name, (planned_to, last_plan) in progress.items():
            if name in self._stopped or last_plan > commit_seq:
                continue
            segment = listed.get(name)
            if segment is None:
                return self._note(name)
            if segment.sealed and planned_to >= segment.end:
                return self._publish(segment)
        return False

    def _remove(self, name: str) -> None:
        """A published segment whose name came back: from a backup, or by a power cut."""
        try:
            self._log.delete(name)
        except SegmentLocked:
            # It is to be sealed first. What is too damaged for that is nothing that others wait for.
            if name in self._stopped:
                self._stopped[name] = CorruptFrame(
                    "a published segment came back damaged",
                    hint="the raw layer has it: remove its files from the log",
                    segment=name,
                )

    def _note(self, name: str) -> bool:
        """A segment that left the log: a crash came between removing it and noting so."""
        try:
            self._raw.manifest(name)
            self._log.delete(name)  # gone already, but maybe not durably
        except LookupError:
            self._stopped[name] = CorruptFrame(
                "a committed segment is neither in the log nor in the raw layer",
                hint="restore its file from a backup",
                segment=name,
            )
            return False
        except CorruptFrame as damage:
            self._stopped[name] = damage
            return False
        self._plans.mark_published(name, self._clock.now_us())
        return True

    def _publish(self, segment: Segment) -> bool:
        amendments = self._plans.amendments([segment.name])
        try:
            # 1. The frames, in the log's order.
            given_up = amendments.given_up(segment.name)
            frames = self._log.read(segment.name, segment.start, segment.end, given_up)
            entries = [self._entry(at, amendments.crashed) for at in frames]
            # 2. Raw files, then the manifest that names them.
            self._raw.write(segment.name, entries)
            # 3. What was written is read back and compared, frame by frame.
            self._verify(segment, frames)
        except CorruptFrame as damage:
            self._stopped[segment.name] = damage
            return False
        except LookupError:
            return False  # a rival published it and removed it
        hit("publish.verified")
        # 4. Only now the hot copy may go. 5. And is noted as gone.
        self._log.delete(segment.name)
        hit("publish.deleted")
        return self._note(segment.name)

    def _entry(self, at: Located, crashed: frozenset[tuple[str, int]]) -> Entry:
        if at.envelope is None:
            return Entry(at, UNKNOWN_DATE, self._log.raw_bytes(at.segment, at.offset))
        if (at.segment, at.offset) in crashed:
            return Entry(at, UNKNOWN_DATE, b"")  # what ended a worker is not looked into here either
        date = event_date(at.envelope)
        return Entry(at, UNKNOWN_DATE if date is None else date.isoformat(), b"")

    def _verify(self, segment: Segment, frames: Sequence[Located]) -> None:
        written = self._raw.read(segment.name)
        if written != list(frames) and not _is_from_before(written, frames):
            raise CorruptFrame(
                "raw files differ from the segment they were written from",
                hint="the segment stays in the log; check the disk or object store, then run again",
                segment=segment.name,
            )


def _is_from_before(written: Sequence[Located], frames: Sequence[Located]) -> bool:
    """Whether somebody may have published these frames before some were given up: those as they were, the
    others as they are, each once."""
    found = {at.offset: at for at in written}
    given_up = [at.offset for at in frames if at.envelope is None]
    return (
        bool(given_up)
        and len(found) == len(written)
        and all(offset in found for offset in given_up)
        and all(found.get(at.offset) == at for at in frames if at.envelope is not None)
    )
