"""Plans: the durable order and cut of the log. What is planned is decided exactly so, at every replay.

Only the process of the sequencer writes here (and a person's `log quarantine`); workers get plans as values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable

import msgspec
from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from catalog.control import schema
from catalog.control.schema import transaction
from catalog.errors import PlanTaken

ASKED = 1_000
"""So many names go into one statement: databases bound its parameters."""
FIRST = 1
GENESIS = ""
"""The chain before the first plan."""


class Range(msgspec.Struct, frozen=True, array_like=True):
    """Frames [start, stop) of one segment, in bytes, and how many there are."""

    segment: str
    start: int
    stop: int
    frames: int


class Plan(msgspec.Struct, frozen=True):
    """Plan n. `received` counts its frames by channel; `chain` hashes the chain before and this plan.

    Its frames are in the order of its ranges. One segment may have several, which follow one another.
    """

    n: int
    kind: str
    bundle: str
    code_version: str
    created_us: int
    ranges: tuple[Range, ...]
    received: dict[str, int]
    chain: str = ""

    @property
    def frames(self) -> int:
        """How many frames it cut."""
        return sum(cut.frames for cut in self.ranges)

    def spans(self) -> dict[str, tuple[int, int]]:
        """(start, stop) of each segment's ranges together, which follow one another."""
        found: dict[str, tuple[int, int]] = {}
        for cut in self.ranges:
            start, stop = found.get(cut.segment, (cut.start, cut.start))
            if stop != cut.start:
                raise ValueError(f"frames of {cut.segment} left out before {cut.start}")
            found[cut.segment] = start, cut.stop
        return found

    def chained(self, before: str) -> Plan:
        """This plan with its chain, following the plan whose chain is `before`."""
        bare = msgspec.structs.replace(self, chain="")
        body = msgspec.json.encode(bare, order="deterministic")
        return msgspec.structs.replace(self, chain=hashlib.sha256(before.encode() + body).hexdigest())


CORRUPT, LOST, CRASHED = "frame_corrupt", "frame_lost", "stage_crash"
"""Verdicts: unreadable before it was committed, unreadable only since then, ends a process."""


class Amendments(msgspec.Struct, frozen=True):
    """Later verdicts on frames, as (segment, offset): unreadable ones, and events that end a process."""

    corrupt: frozenset[tuple[str, int]] = frozenset()
    crashed: frozenset[tuple[str, int]] = frozenset()
    lost: frozenset[tuple[str, int]] = frozenset()

    def given_up(self, segment: str) -> frozenset[int]:
        """Offsets in `segment` of frames a person gave up."""
        return frozenset(offset for name, offset in self.corrupt | self.lost if name == segment)


def _columns(cut: Range) -> dict[str, str | int]:
    return {"segment": cut.segment, "start": cut.start, "stop": cut.stop, "frames": cut.frames}


class PlanStore:
    """Plans, amendments and how far each segment is planned."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def last(self) -> int:
        """Number of the last plan, 0 when there is none."""
        with transaction(self._engine) as connection:
            return connection.scalar(select(func.max(schema.plans.c.n))) or 0

    def chain(self, n: int) -> str | None:
        """The chain at plan n, None when there is no such plan."""
        if n < FIRST:
            return GENESIS
        with transaction(self._engine) as connection:
            return connection.scalar(select(schema.plans.c.chain).where(schema.plans.c.n == n))

    def after(self, n: int, limit: int) -> list[Plan]:
        """Up to `limit` plans after n, in order."""
        with transaction(self._engine) as connection:
            found = connection.execute(
                select(schema.plans).where(schema.plans.c.n > n).order_by(schema.plans.c.n).limit(limit)
            ).all()
            if not found:
                return []
            cut: dict[int, list[Range]] = {}
            for row in connection.execute(
                select(schema.ranges)
                .where(schema.ranges.c.n.between(found[0].n, found[-1].n))
                .order_by(schema.ranges.c.n, schema.ranges.c.position)
            ):
                cut.setdefault(row.n, []).append(Range(row.segment, row.start, row.stop, row.frames))
        return [
            Plan(
                n=row.n,
                kind=row.kind,
                bundle=row.bundle,
                code_version=row.code_version,
                created_us=row.created_us,
                ranges=tuple(cut.get(row.n, ())),
                received=msgspec.json.decode(row.received, type=dict[str, int]),
                chain=row.chain,
            )
            for row in found
        ]

    def insert(self, plan: Plan) -> None:
        """Make a chained plan durable. Raises PlanTaken when n, or one of its frames, is planned already."""
        try:
            with transaction(self._engine) as connection:
                self._insert(connection, plan)
        except IntegrityError as taken:
            raise PlanTaken("another sequencer wrote this plan first", n=plan.n) from taken

    def _insert(self, connection: Connection, plan: Plan) -> None:
        connection.execute(
            insert(schema.plans).values(
                n=plan.n,
                kind=plan.kind,
                bundle=plan.bundle,
                code_version=plan.code_version,
                created_us=plan.created_us,
                received=msgspec.json.encode(plan.received, order="deterministic").decode(),
                chain=plan.chain,
            )
        )
        positions = [{"n": plan.n, "position": at, **_columns(cut)} for at, cut in enumerate(plan.ranges)]
        if positions:
            connection.execute(insert(schema.ranges), positions)
        for segment, (start, stop) in plan.spans().items():
            moved = connection.execute(
                update(schema.segments)
                .where(schema.segments.c.name == segment, schema.segments.c.planned_to == start)
                .values(planned_to=stop, last_plan=plan.n)
            )
            if moved.rowcount == 0:
                # Fails on the primary key when the segment is known at another offset: planned already.
                connection.execute(
                    insert(schema.segments).values(name=segment, planned_to=stop, last_plan=plan.n)
                )

    def progress(self) -> dict[str, tuple[int, int]]:
        """(planned_to, last plan) of every segment that is not published."""
        with transaction(self._engine) as connection:
            rows = connection.execute(select(schema.segments).where(schema.segments.c.published_us.is_(None)))
            return {row.name: (row.planned_to, row.last_plan) for row in rows}

    def published(self, names: Collection[str]) -> set[str]:
        """Which of these segments live on in the raw layer: a file of theirs in the log is a left-over."""
        known, asked = schema.segments.c, list(names)
        found: set[str] = set()
        with transaction(self._engine) as connection:
            for at in range(0, len(asked), ASKED):
                among = known.name.in_(asked[at : at + ASKED])
                found.update(
                    connection.scalars(select(known.name).where(among, known.published_us.is_not(None)))
                )
        return found

    def mark_published(self, segment: str, now_us: int) -> None:
        """Note that a segment is in the raw layer and its hot copy is gone."""
        with transaction(self._engine) as connection:
            connection.execute(
                update(schema.segments).where(schema.segments.c.name == segment).values(published_us=now_us)
            )

    def amend(self, segment: str, offset: int, event_id: str, reason: str, now_us: int) -> bool:
        """Write a verdict on one frame; False when it has one already."""
        try:
            with transaction(self._engine) as connection:
                connection.execute(
                    insert(schema.amendments).values(
                        segment=segment, offset=offset, event_id=event_id, reason=reason, created_us=now_us
                    )
                )
        except IntegrityError:
            return False
        return True

    def amendments(self, segments: Iterable[str] | None = None) -> Amendments:
        """The verdicts on frames of these segments, of all when None."""
        query = select(schema.amendments)
        if segments is not None:
            query = query.where(schema.amendments.c.segment.in_(list(segments)))
        found: dict[str, set[tuple[str, int]]] = {CORRUPT: set(), CRASHED: set(), LOST: set()}
        with transaction(self._engine) as connection:
            for row in connection.execute(query):
                found[row.reason].add((row.segment, row.offset))
        return Amendments(*(frozenset(found[reason]) for reason in (CORRUPT, CRASHED, LOST)))
