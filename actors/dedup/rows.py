"""The rows that a plan's batch becomes, once it is known what is new and what is linked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from actors.dedup.links import Link
from catalog.tables import ACCEPTED, DUPLICATE, EVENTS, QUARANTINED

CONFLICT = "idempotency_conflict"
NEAR_DUPLICATE, SAME_COMPLAINT = "near_duplicate", "same_complaint"


def decided(
    batch: pa.Table, kept: Sequence[int], conflicts: dict[int, str], links: dict[int, Link]
) -> pa.Table:
    """The kept rows of a batch, by index, with every column that dedup decides.

    `conflicts` are the ids of rows whose sender used an id again for other bytes; these are not linked.
    """
    names, origins, reasons = (batch[c].to_pylist() for c in ("event_id", "id_origin", "reason"))
    reasons = [CONFLICT if i in conflicts else reasons[i] for i in kept]
    columns = {
        "event_id": [conflicts.get(i, names[i]) for i in kept],
        "id_origin": ["conflict" if i in conflicts else origins[i] for i in kept],
        "reason": reasons,
        "conflicts_with": [names[i] if i in conflicts else None for i in kept],
        **_link_columns([names[i] for i in kept], reasons, [links.get(i) for i in kept]),
    }
    rows = batch.take(pa.array(kept, pa.int64()))
    for name, values in columns.items():
        field = EVENTS.arrow_schema.field(name)
        column = pa.array(values, field.type)
        place = rows.schema.get_field_index(name)
        rows = rows.append_column(field, column) if place < 0 else rows.set_column(place, field, column)
    return rows


def _link_columns(
    names: Sequence[str], reasons: Sequence[str | None], links: Sequence[Link | None]
) -> dict[str, list[Any]]:
    is_same = [link is not None and link.is_same_complaint for link in links]
    return {
        "disposition": [
            QUARANTINED if reason is not None else DUPLICATE if same else ACCEPTED
            for reason, same in zip(reasons, is_same, strict=True)
        ],
        "linked_to": [link and link.linked_to.hex() for link in links],
        "link_kind": [
            link and (SAME_COMPLAINT if same else NEAR_DUPLICATE)
            for link, same in zip(links, is_same, strict=True)
        ],
        "similarity": [link and link.similarity for link in links],
        "cluster_id": [
            None if reason is not None else link.cluster.hex() if link else name
            for name, reason, link in zip(names, reasons, links, strict=True)
        ],
        "bridges": [[other.hex() for other in link.bridges] or None if link else None for link in links],
    }
