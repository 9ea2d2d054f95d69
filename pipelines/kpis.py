"""What a day's numbers are made of: the events that count, and the counting, as whole columns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from catalog.tables import ACCEPTED, EVENTS, KPI_DAILY, QUARANTINED

COLUMNS = [
    *("event_id", "event_date", "local_date", "channel", "region", "l1", "l2"),
    *("disposition", "is_complaint", "cluster_id", "received_at"),
]
"""The columns of events that the numbers are made of, and `received_at`, which says how new they are."""
KEYS = ("local_date", "channel", "region", "l1", "l2")
COUNTED = pa.schema(
    [
        *(EVENTS.arrow_schema.field(name).with_nullable(True) for name in KEYS),
        pa.field("grievance", pa.large_string()),
        pa.field("complaints", pa.int64()),
        pa.field("quarantined", pa.int64()),
    ]
)
"""Events that count, a row each; or strays, a row for several. What was held back has no grievance."""
FIRST_MONTH, LAST_MONTH = date(1999, 12, 1), date(2100, 1, 1)
"""Beyond them only broken clocks count: theirs are kept together, not in a file for each month."""


def resolved(clusters: pa.ChunkedArray, representatives: Mapping[str, str]) -> pa.ChunkedArray:
    """Each cluster's representative, where it was joined to others; the cluster itself otherwise."""
    if not representatives:
        return clusters
    joined = pa.array(representatives.keys(), clusters.type)
    stands = pa.array(representatives.values(), clusters.type)
    return pc.coalesce(stands.take(pc.index_in(clusters, joined)), clusters)


def counted(events: pa.Table, representatives: Mapping[str, str]) -> pa.Table:
    """The events that count, a row each: accepted complaints with their grievance, and what was held back."""
    is_held = pc.equal(events["disposition"], QUARANTINED)
    is_told = pc.and_(pc.equal(events["disposition"], ACCEPTED), pc.fill_null(events["is_complaint"], False))
    events = events.append_column("held", is_held).append_column("told", is_told)
    events = events.filter(pc.or_(is_held, is_told))
    grievance = pc.coalesce(resolved(events["cluster_id"], representatives), events["event_id"])
    columns = {
        "local_date": pc.coalesce(events["local_date"], events["event_date"]),
        **{name: events[name] for name in KEYS[1:]},
        "grievance": pc.if_else(events["told"], grievance, pa.scalar(None, pa.large_string())),
        "complaints": events["told"].cast(pa.int64()),
        "quarantined": events["held"].cast(pa.int64()),
    }
    return pa.table(columns).cast(COUNTED)


def kpis(rows: pa.Table) -> pa.Table:
    """The rows of `curated.kpi_daily` that these counted events make: all those of each day they are of."""
    totals = rows.group_by(list(KEYS), use_threads=False).aggregate(
        [("complaints", "sum"), ("grievance", "count_distinct"), ("quarantined", "sum")]
    )
    made = {
        **{name: totals[name] for name in KEYS},
        "month": pa.array(map(month, totals["local_date"].to_pylist()), pa.date32()),
        "complaints": totals["complaints_sum"],
        "clusters": totals["grievance_count_distinct"],
        "quarantined": totals["quarantined_sum"],
    }
    schema = KPI_DAILY.arrow_schema
    return pa.table([made[name] for name in schema.names], names=schema.names).cast(schema)


def ordered(rows: pa.Table) -> pa.Table:
    """As they lie in a file, the newest day first: whoever wants that needs not sort all others away."""
    return rows.sort_by([("local_date", "descending"), *((name, "ascending") for name in KEYS[1:])])


def month(day: date) -> date:
    """The month under which a day's rows are kept."""
    return min(max(day.replace(day=1), FIRST_MONTH), LAST_MONTH)
