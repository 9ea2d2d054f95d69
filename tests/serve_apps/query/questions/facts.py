"""What the tables should hold, as plain rows, and the views over them, worked out without any SQL."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, timedelta
from itertools import groupby
from typing import Any, NamedTuple

Row = dict[str, Any]


class Facts(NamedTuple):
    """The rows of every view; `seq` is the commit that all of them are as of."""

    events: list[Row]
    complaints: list[Row]
    clusters: list[Row]
    kpi_daily: list[Row]
    ledger: list[Row]
    quarantine: list[Row]
    seq: int


def facts(committed: list[Row], ledger: list[Row], erased: frozenset[str], seq: int) -> Facts:
    """From all rows ever committed to the events, in order, and the ids that were erased since."""
    names = _representatives(committed)
    events = [_shown(row) for row in committed if row["event_id"] not in erased]
    complaints = [_complaint(row, names) for row in events if row["disposition"] != "quarantined"]
    quarantine = [row for row in events if row["disposition"] == "quarantined"]
    daily = _daily(complaints, quarantine, events)
    return Facts(events, complaints, _clusters(complaints), daily, ledger, quarantine, seq)


def _shown(row: Row) -> Row:
    return row | {"redacted_text": row["text"]}


def _representatives(committed: list[Row]) -> dict[str, str]:
    """Clusters that an event joined stand under the one that began first."""
    order = {row["event_id"]: (row["plan"], row["segment"], row["offset"]) for row in committed}
    above: dict[str, str] = {}

    def top(cluster: str) -> str:
        while cluster in above:
            cluster = above[cluster]
        return cluster

    for row in committed:
        for other in row["bridges"] or ():
            first, *later = sorted({top(row["cluster_id"]), top(other)}, key=order.__getitem__)
            above.update(dict.fromkeys(later, first))
    return {row["cluster_id"]: top(row["cluster_id"]) for row in committed if row["cluster_id"]}


def _complaint(row: Row, names: dict[str, str]) -> Row:
    cluster = names.get(row["cluster_id"])
    return row | {
        "cluster_id": cluster,
        "is_representative": cluster is not None and cluster == row["event_id"],
        "is_counted": row["disposition"] == "accepted" and bool(row["is_complaint"]),
    }


def _clusters(complaints: list[Row]) -> list[Row]:
    members = defaultdict(list)
    for row in complaints:
        if row["cluster_id"] is not None and row["is_complaint"]:
            members[row["cluster_id"]].append(row)
    return [_cluster(name, rows) for name, rows in members.items() if len(rows) > 1]


def _cluster(name: str, rows: list[Row]) -> Row:
    first = min(rows, key=lambda row: (not row["is_representative"], row["plan"], row["event_id"]))
    return {
        "cluster_id": name,
        "first_event_time": min(row["event_time"] for row in rows),
        "last_event_time": max(row["event_time"] for row in rows),
        "members": len(rows),
        "customers": len({row["customer_key"] for row in rows} - {None}),
        "representative": first["event_id"],
        "representative_text": first["redacted_text"],
    } | {part: first[part] for part in ("l1", "l2", "region")}


def _daily(complaints: list[Row], quarantine: list[Row], events: list[Row]) -> list[Row]:
    newest = max(row["received_at"].astimezone(UTC).date() for row in events)
    counted = [row for row in complaints if row["is_counted"]]
    keyed = sorted(
        ((_key(row), row) for row in [*counted, *quarantine]),
        key=lambda pair: [(part is None, part or "") if n else part for n, part in enumerate(pair[0])],
    )
    found = []
    for key, pairs in groupby(keyed, key=lambda pair: pair[0]):
        rows = [row for _, row in pairs]
        held = sum(row["disposition"] == "quarantined" for row in rows)
        told = [row for row in rows if row["disposition"] != "quarantined"]
        found.append(
            dict(zip(("local_date", "channel", "region", "l1", "l2"), key, strict=True))
            | {
                "complaints": len(told),
                "clusters": len({row["cluster_id"] or row["event_id"] for row in told}),
                "quarantined": held,
                "is_provisional": key[0] >= newest - timedelta(days=1),
            }
        )
    return found


def _key(row: Row) -> tuple[Any, ...]:
    return (
        row["local_date"] or row["event_date"],
        *(row[part] for part in ("channel", "region", "l1", "l2")),
    )
