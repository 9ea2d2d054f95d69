"""Lakes with rows in them, made the way the product makes them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from catalog.lake import read
from catalog.lake.commit import Lake
from catalog.lake.read import SOURCE_SEQ
from catalog.lake.rebuild import rebuild
from catalog.lake.store import LakePlace
from catalog.tables import COMPLAINTS, EVENTS, KPI_DAILY, LEDGER, TableSpec
from pipelines import kpis

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
Row = dict[str, Any]


def event(number: int, plan: int = 1, **given: Any) -> Row:
    """A row of `structured.events`; `number` makes its id and puts it that many minutes after noon."""
    when = NOON + timedelta(minutes=number)
    row: Row = {
        "event_id": f"{number:032x}",
        "id_origin": "provider",
        "channel": "sms",
        "source": "gateway",
        "event_time": when,
        "event_date": when.date(),
        "local_date": when.date(),
        "received_at": when,
        "processed_at": when,
        "text": f"no network since {number} days, call <PHONE>",
        "disposition": "accepted",
        "payload_digest": "d" * 32,
        "plan": plan,
        "segment": "s1",
        "offset": number,
        "contract": "sms/1",
        "bundle": "b1",
        "code_version": "0",
        "customer_key": f"customer-{number % 5}",
        "account_key": f"account-{number % 5}",
        "country": "NG",
        "region": "Lagos",
        "is_complaint": True,
        "l1": "network",
        "l2": "outage",
        "secondary_l2": ["speed"],
        "confidence": 0.75,
        "needs_review": False,
        "evidence": '[{"rule":"no_network","l2":"outage","start":0,"end":10}]',
    }
    return row | given


def complaint(number: int, plan: int = 1, **given: Any) -> Row:
    """The row of `curated.complaints` that comes of `event` with the same arguments."""
    row = event(number, plan, **given)
    row["redacted_text"] = row.pop("text")
    return {name: row.get(name) for name in COMPLAINTS.arrow_schema.names}


def commit(lake: Lake, spec: TableSpec, rows: Iterable[Row]) -> int:
    """Commit rows as the table's next plan; gives its number."""
    seq = lake.head(spec.name).commit_seq + 1
    table = pa.Table.from_pylist(list(rows), schema=spec.arrow_schema)
    lake.commit(spec.name, seq, table, f"c{seq - 1}" if seq > 1 else "", f"c{seq}", {})
    return seq


def derive(lake: Lake, rows: Iterable[Row], source_seq: int) -> None:
    """Commit rows of `curated.complaints` as if they were built from the events up to `source_seq`, and count
    these events."""
    commit(lake, COMPLAINTS, rows)
    with lake.store.load(COMPLAINTS.name).transaction() as transaction:
        transaction.set_properties({SOURCE_SEQ: str(source_seq)})
    count(lake, source_seq)


def count(lake: Lake, source_seq: int) -> None:
    """Build `curated.kpi_daily` from the events up to `source_seq`, all at once."""
    events = read.rows(lake, EVENTS.name, 1, source_seq, kpis.COLUMNS)
    made = kpis.kpis(kpis.counted(events, {}))
    months = [
        (month, made.filter(pc.equal(made["month"], month))) for month in made["month"].unique().to_pylist()
    ]
    received_to = pc.max(events["received_at"]).as_py().date() if events.num_rows else None
    rebuild(lake, KPI_DAILY.name, months, source_seq, received_to)


def small(place: LakePlace) -> Lake:
    """Two plans: 20 events in a cluster of three, a duplicate and a quarantined one; curated up to plan 1."""
    lake = Lake(place)
    linked: dict[int, Row] = {n: {"cluster_id": f"{1:032x}", "is_representative": n == 1} for n in (1, 2, 3)}
    linked[2] |= {"linked_to": f"{1:032x}", "link_kind": "near_duplicate", "similarity": 0.9}
    linked[3] |= {"linked_to": f"{1:032x}", "link_kind": "same_complaint", "disposition": "duplicate"}
    linked[4] = {"region": "Kano", "l1": "billing", "l2": "refund", "channel": "social"}
    linked[5] = {"is_complaint": False, "l1": "unclassified", "l2": "unclassified", "region": None}
    held = {"disposition": "quarantined", "reason": "event_time_naive", "reason_field": "$.event_time"}
    held |= {"event_time": None, "l1": None, "l2": None, "region": None, "is_complaint": None}
    rows = [(n, linked.get(n, {})) for n in range(10)]
    events = [
        {k: v for k, v in event(n, 1, **more).items() if k in EVENTS.arrow_schema.names} for n, more in rows
    ]
    commit(lake, EVENTS, [*events, event(10, 1, **held)])
    commit(lake, EVENTS, [event(n, 2) for n in range(11, 20)])
    derive(lake, [complaint(n, 1, **more) for n, more in rows], source_seq=1)
    numbers = {"received": 12, "accepted": 9, "duplicate": 1, "quarantined": 1, "redelivered": 1}
    commit(lake, LEDGER, [{"plan": 1, "channel": "sms", "processed_at": NOON, **numbers}])
    return lake


def day(number: int) -> date:
    """The event date that many days after the first."""
    return (NOON + timedelta(days=number)).date()
