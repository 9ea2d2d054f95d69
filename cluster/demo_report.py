"""What became of each record of a file that the demonstration sent, and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from catalog.contracts.registry import CONTRACTS
from catalog.ids import conflict_id, payload_digest
from cluster.demo import PLAIN, Doors
from pipelines import mapping
from serve_apps.ingest.framing import JSON

ASKED_AT_ONCE = 500
DECIDED = (
    "SELECT event_id, disposition, reason, reason_field, is_complaint, l1, l2, confidence, needs_review,"
    " region, city, link_kind, linked_to, redacted_text FROM events"
)


def report(client: Doors, source: str, records: Sequence[mapping.Record], path: Path) -> Counter[str]:
    """Write what happened to each record and why, one JSON object a line; how many ended which way."""
    named = [_id(source, one.payload) if one.payload else None for one in records]
    first: dict[str, mapping.Record] = {}
    fates = [_fate(source, one, event_id, first) for one, event_id in zip(records, named, strict=True)]
    known = _known(client, {row["event_id"] for row in fates if row.get("event_id")})
    ended: Counter[str] = Counter()
    with path.open("w", encoding="utf-8") as out:
        for one, fate in zip(records, fates, strict=True):
            row = known.get(fate.get("event_id", ""), {}) | fate
            row.setdefault("disposition", "not found")
            ended[f"{row['disposition']}: {row['reason']}" if row.get("reason") else row["disposition"]] += 1
            out.write(json.dumps({"record": one.number, **row}, default=str) + "\n")
    return ended


def _known(client: Doors, ids: set[str]) -> dict[str, dict[str, Any]]:
    """The rows of these events, by id."""
    wanted = sorted(ids)
    known: dict[str, dict[str, Any]] = {}
    for begin in range(0, len(wanted), ASKED_AT_ONCE):
        listed = ", ".join(f"'{each}'" for each in wanted[begin : begin + ASKED_AT_ONCE])
        found = client.ask(f"{DECIDED} WHERE event_id IN ({listed})")
        known.update((row["event_id"], row) for row in found["rows"])
    return known


def _fate(
    source: str, one: mapping.Record, event_id: str | None, first: dict[str, mapping.Record]
) -> dict[str, Any]:
    """What is known of a record without asking: under which id its row is, or that it has none of its own.

    `first` keeps the record that first had an id. Another payload with that id has a row of its own.
    """
    if one.payload is None:
        return {"event_id": None, "disposition": "not sent", "reason": one.fault}
    if event_id is None:
        return {"event_id": None, "disposition": "unidentified", "reason": "it has no id to look it up by"}
    before = first.setdefault(event_id, one)
    if before is one:
        return {"event_id": event_id}
    if before.payload == one.payload:
        return {"event_id": event_id, "disposition": "redelivered", "reason": "the same record came before"}
    return {"event_id": conflict_id(source, event_id, payload_digest(one.payload))}


def _id(source: str, payload: bytes) -> str | None:
    event_id, kind = CONTRACTS[PLAIN].identity(payload, JSON, None, source)
    return None if kind == "minted" else event_id
