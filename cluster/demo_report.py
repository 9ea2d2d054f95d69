"""What became of each record of a file that the demonstration sent, and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from catalog.contracts.registry import CONTRACTS
from catalog.ids import conflict_id, payload_digest
from cluster.demo import PLAIN, Doors
from pipelines import mapping
from serve_apps.ingest.framing import JSON

ASKED_AT_ONCE = 500
DECIDED = (
    "SELECT event_id, plan, disposition, reason, reason_field, is_complaint, l1, l2, confidence,"
    " needs_review, region, city, link_kind, linked_to, redacted_text FROM events"
)
CONFLICT = "idempotency_conflict"
USED_AGAIN = (
    "Records whose id an earlier record had with other content: {count}. The earlier version stays in force;"
    " the new one is {how} and counts nowhere. To let a corrected file or mapping take effect, send it to a"
    " new home: BEEJAN_HOME=FOLDER beejan demo --input FILE --mapping MAPPING"
)

Row = dict[str, Any]


def report(
    client: Doors,
    source: str,
    records: Sequence[mapping.Record],
    path: Path,
    before_seq: int,
    refused: Collection[bytes],
) -> Counter[str]:
    """Write what became of each record and why, one JSON object a line; how many ended which way.

    `disposition` is the record's own. One whose id an earlier record had with other content says under
    `in_force` what that one was decided as. Plans up to `before_seq` were there before the file was sent,
    and `refused` are the payloads that a door did not take.
    """
    named = [_ids(source, one.payload) if one.payload else None for one in records]
    known = _known(client, {each for ids in named if ids for each in ids})
    seen: set[str] = set()
    ended: Counter[str] = Counter()
    with path.open("w", encoding="utf-8") as out:
        for one, ids in zip(records, named, strict=True):
            row = _fate(one, ids, known, seen, before_seq, refused)
            ended[f"{row['disposition']}: {row['reason']}" if row.get("reason") else row["disposition"]] += 1
            out.write(json.dumps({"record": one.number, **row}, default=str) + "\n")
    return ended


def advice(ended: Counter[str]) -> str:
    """What to do where records were not taken since their ids had been used; empty where none was."""
    hows = {"quarantined": ended[f"quarantined: {CONFLICT}"], "refused": ended[f"refused: {CONFLICT}"]}
    if not (count := sum(hows.values())):
        return ""
    return USED_AGAIN.format(count=count, how=" or ".join(how for how, n in hows.items() if n))


def _known(client: Doors, ids: set[str]) -> dict[str, Row]:
    """The rows of these events, by id."""
    wanted = sorted(ids)
    known: dict[str, Row] = {}
    for begin in range(0, len(wanted), ASKED_AT_ONCE):
        listed = ", ".join(f"'{each}'" for each in wanted[begin : begin + ASKED_AT_ONCE])
        found = client.ask(f"{DECIDED} WHERE event_id IN ({listed})")
        known.update((row["event_id"], row) for row in found["rows"])
    return known


def _fate(
    one: mapping.Record,
    ids: tuple[str, str] | None,
    known: dict[str, Row],
    seen: set[str],
    before_seq: int,
    refused: Collection[bytes],
) -> Row:
    """The record's own row, and where that is not what counts, what does. `seen` are ids of earlier records'
    own rows."""
    if one.payload is None:
        return {"event_id": None, "disposition": "not sent", "reason": one.fault}
    if ids is None:
        return {"event_id": None, "disposition": "unidentified", "reason": "it has no id to look it up by"}
    event_id, own_id = ids
    in_force = known.get(event_id)
    if one.payload in refused:
        return {"event_id": None, "disposition": "refused", "reason": CONFLICT, "in_force": in_force}
    is_conflict = own_id in known
    found = known.get(own_id) or in_force
    if found is None:
        return {"event_id": event_id, "disposition": "not found"}
    row = found | ({"in_force": in_force} if is_conflict else {})
    if row["event_id"] in seen or row["plan"] <= before_seq:
        row |= {"disposition": "redelivered", "reason": f"decided before as {_decided(row)}"}
    seen.add(row["event_id"])
    return row


def _decided(row: Row) -> str:
    return f"{row['disposition']}: {row['reason']}" if row["reason"] else str(row["disposition"])


def _ids(source: str, payload: bytes) -> tuple[str, str] | None:
    """The id of the event, and that of its row should another record have had the id first with other
    content."""
    event_id, kind = CONTRACTS[PLAIN].identity(payload, JSON, None, source)
    if kind == "minted":
        return None
    return event_id, conflict_id(source, event_id, payload_digest(payload))
