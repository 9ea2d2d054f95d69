"""Three weeks of a simulated operator in a lake with a past: evolved, compacted, and with rows erased.

The rows come from the simulator through the flow's own stages and memory, and are the same on every run.
What the tables should hold afterwards is returned as plain rows, made without reading any of it back.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
from pyiceberg.expressions import In
from pyiceberg.types import StringType

from actors.dedup.config import DedupConfig
from actors.dedup.dedup import Dedup
from catalog.bundle.folder import default
from catalog.bundle.keys import PseudonymKey
from catalog.clock import SystemClock, to_datetime
from catalog.contracts.registry import at_door
from catalog.control.plans import GENESIS, Plan, Range
from catalog.envelope import Envelope, Located
from catalog.ids import event_id
from catalog.lake.commit import Lake
from catalog.lake.upkeep import compact
from catalog.tables import COMPLAINTS, EVENTS, KPI_DAILY, LEDGER, TABLES
from pipelines import flow
from pipelines.curate import Curator
from pipelines.simulator.day import day
from pipelines.simulator.sent import Sent
from pipelines.stages.signature import similarities
from tests.serve_apps.query.questions.facts import Facts, Row, facts

FIRST, DAYS, SEED = date(2026, 3, 2), 20, 7
PLAN_EVENTS = 200
OLD_PLANS = 5
"""Committed by a version whose table had not the last column yet."""
SECOND = "2026-03-b", "1.1.0"
"""Bundle and code version of the plans from SWITCH on; before it they are the first ones."""
SWITCH = 8
FIRST_VERSIONS = "2026-03-a", "1.0.0"
QUIET = "sms-aggregator", FIRST + timedelta(days=8)
"""A source that sends nothing from 06:00 to 20:00 UTC of this day."""
STOPPED = "web-care", FIRST + timedelta(days=17)
"""A source that sends nothing any more from this day on."""
VIRAL_DAY = 11
OLDER = EVENTS._replace(columns=EVENTS.columns[:-1])


def fill(lake: Lake) -> Facts:
    """Commit it all to an empty lake, wherever that is; what every question's answer follows from."""
    events: list[Row] = []
    ledger: list[Row] = []
    columns = lake.store.load(EVENTS.name)
    with columns.update_schema() as change:
        change.delete_column(EVENTS.columns[-1].name)
    before = GENESIS
    for plan, rows, counts in planned():
        is_old = plan.n <= OLD_PLANS
        if plan.n == OLD_PLANS + 1:
            _evolve(lake)
        with patch.dict(TABLES, {EVENTS.name: OLDER if is_old else EVENTS}):
            lake.commit(EVENTS.name, plan.n, rows, before, plan.chain, counts)
        booked = flow.ledger(plan, counts)
        lake.commit(LEDGER.name, plan.n, booked, before, plan.chain, counts)
        before = plan.chain
        events += [row | {"reason_field": None} if is_old else row for row in rows.to_pylist()]
        ledger += booked.to_pylist()
    curator = Curator(lake, SystemClock(), 0)
    curator.build(plan.n)
    _compact(lake, most=8)
    erased = _erased(events)
    for name in (EVENTS.name, COMPLAINTS.name):
        lake.store.load(name).delete(In("event_id", erased))
    curator.build(plan.n, {row["event_date"] for row in events if row["event_id"] in erased})
    _compact(lake, most=4)
    return facts(events, ledger, frozenset(erased), plan.n)


def planned() -> Iterator[tuple[Plan, Any, dict[str, dict[str, int]]]]:
    """Each plan, its rows and its counts."""
    stages = flow.Stages(default("fixture"), PseudonymKey("fixture", bytes(32)))
    chain = GENESIS
    with (
        tempfile.TemporaryDirectory() as state,
        closing(Dedup(DedupConfig(Path(state)), similarities)) as memory,
    ):
        located = list(_located())
        for n, start in enumerate(range(0, len(located), PLAN_EVENTS), 1):
            batch = located[start : start + PLAN_EVENTS]
            plan = _plan(n, batch).chained(chain)
            chain = plan.chain
            decision = memory.decide(n, stages.pure(batch, frozenset(), {}))
            memory.promote(n, chain)
            yield plan, flow.rows(plan, decision.rows), flow.counts(plan, decision.rows, decision.redelivered)


def _located() -> Iterator[Located]:
    for number, sent in enumerate(_sent()):
        contract = at_door(sent.channel)
        kind, value = contract.identify(sent.payload, sent.content_type) or ("minted", str(number))
        yield Located(
            "s1",
            number,
            Envelope(
                event_id(sent.source, kind, value),
                kind,
                sent.channel,
                sent.source,
                sent.sent_us,
                contract.name,
                "",
                sent.content_type,
                "",
                sent.payload,
            ),
        )


def _sent() -> Iterator[Sent]:
    """More on some days than on others; a few come again a day later."""
    again: list[Sent] = []
    for number in range(DAYS):
        when = FIRST + timedelta(days=number)
        fresh = list(day(SEED, 110 + 13 * (number * 5 % 7), when))
        start_us = fresh[0].sent_us
        if number == VIRAL_DAY:
            fresh = sorted([*fresh, *_passed_on(fresh)], key=lambda sent: sent.sent_us)
        late = [sent._replace(sent_us=start_us + 60_000_000 * n) for n, sent in enumerate(again)]
        yield from (s for s in sorted([*fresh, *late], key=lambda s: s.sent_us) if not _is_quiet(s))
        again = fresh[::40]


def _passed_on(sent: list[Sent]) -> Iterator[Sent]:
    """The longest post of the morning, passed on from hour to hour by ever more others."""
    posts = [each for each in sent[: len(sent) // 2] if each.channel == "social" and not each.truth.broken]
    first = max(posts, key=lambda each: len(msgspec.json.decode(each.payload)["full_text"]))
    post = msgspec.json.decode(first.payload)
    for number in range(1, 22):
        sent_us = first.sent_us + int(number**0.5 * 3_600_000_000)
        spelled = to_datetime(sent_us - 5_000_000).strftime("%a %b %d %H:%M:%S +0000 %Y")
        own = {"id_str": str(int(post["id_str"]) + number), "created_at": spelled}
        own["full_text"] = f"RT {post['full_text']}" if number % 2 else post["full_text"]
        who = post["user"] | {"screen_name": f"reader_{number}"}
        yield first._replace(payload=msgspec.json.encode(post | own | {"user": who}), sent_us=sent_us)


def _is_quiet(sent: Sent) -> bool:
    hour = sent.sent_us // 3_600_000_000
    if sent.source == STOPPED[0] and hour >= (STOPPED[1] - date(1970, 1, 1)).days * 24:
        return True
    first = (QUIET[1] - date(1970, 1, 1)).days * 24
    return sent.source == QUIET[0] and first + 6 <= hour < first + 20


def _plan(n: int, batch: list[Located]) -> Plan:
    last = max(each.envelope.received_us for each in batch if each.envelope)
    received = Counter(each.envelope.channel for each in batch if each.envelope)
    bundle, code_version = SECOND if n >= SWITCH else FIRST_VERSIONS
    ranges = (Range("s1", batch[0].offset, batch[-1].offset + 1, len(batch)),)
    return Plan(n, "stream", bundle, code_version, last + 20_500_000, ranges, dict(received))


def _evolve(lake: Lake) -> None:
    """The last column comes, and another is renamed and gets its name back."""
    with lake.store.load(EVENTS.name).update_schema() as change:
        change.add_column(EVENTS.columns[-1].name, StringType(), EVENTS.columns[-1].meaning)
    for old, new in (("operator", "carrier"), ("carrier", "operator")):
        with lake.store.load(EVENTS.name).update_schema() as change:
            change.rename_column(old, new)


def _compact(lake: Lake, most: int) -> None:
    """So many days of the events at most, and what is small of the others."""
    for table, limit in ((EVENTS.name, most), (COMPLAINTS.name, most), (KPI_DAILY.name, 1), (LEDGER.name, 1)):
        for _ in range(limit):
            compact(lake, table, FIRST + timedelta(days=DAYS), min_files=3, open_files=3)


def _erased(events: list[Row]) -> list[str]:
    """Every 97th event, and the first member of the largest cluster."""
    sizes = Counter(row["cluster_id"] for row in events if row["cluster_id"])
    largest = min(sizes, key=lambda cluster: (-sizes[cluster], cluster))
    return sorted({largest, *(row["event_id"] for row in events[::97])})
