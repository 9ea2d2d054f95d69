"""Table specs as data: every column, what it means, how the table is partitioned.

Field ids are given by position and never used again: add columns at the end.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import pyarrow as pa

Type = Literal["string", "long", "double", "date", "timestamptz", "binary", "list<long>"]

ARROW_TYPES: dict[Type, pa.DataType] = {
    "string": pa.large_string(),
    "long": pa.int64(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "binary": pa.large_binary(),
    "list<long>": pa.large_list(pa.field("element", pa.int64(), nullable=False)),
}


class Column(NamedTuple):
    """One column: `required` columns are never null."""

    name: str
    type: Type
    required: bool
    meaning: str


class TableSpec(NamedTuple):
    """A table: `name` is `namespace.table`, `partition_by` are identity partitions."""

    name: str
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...]
    version: int

    @property
    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema a batch for this table must have, exactly."""
        return pa.schema(
            [pa.field(c.name, ARROW_TYPES[c.type], nullable=not c.required) for c in self.columns]
        )


ACCEPTED, DUPLICATE, QUARANTINED = DISPOSITIONS = ("accepted", "duplicate", "quarantined")
REDELIVERED = "redelivered"
OUTCOMES = (*DISPOSITIONS, REDELIVERED)
"""What can become of a received event; the first three leave a row, the last one is counted only."""

REASONS: dict[str, str] = {
    "payload_unreadable": "the payload is not a JSON object (or form) in UTF-8, or nests too deep",
    "id_invalid": "the payload's id is missing or not a non-empty string",
    "text_invalid": "the payload's text is missing, not a string, empty where the contract wants some, "
    "or holds characters that cannot be stored",
    "event_time_invalid": "the payload's event time is missing, in no form the contract knows, "
    "or a local time that its zone skips or repeats",
    "event_time_naive": "the event time has no offset, and the contract knows no zone for it",
    "zone_unknown": "the payload's time zone is not a name of the IANA list",
    "field_invalid": "another field is missing, sent twice, or not of the type the contract names",
    "contract_unknown": "the event came under a contract that this version does not have",
    "event_time_future": "the event time lies more than 24 hours after the event was received",
    "event_time_too_old": "the event time lies before the contract's minimum",
    "idempotency_conflict": "the sender used an id again for other bytes",
    "stage_crash": "deciding this event ends the process, twice in isolation",
    "frame_corrupt": "the stored frame can no longer be read and a person gave it up",
}
"""Why an event is quarantined."""

EVENTS = TableSpec(
    name="structured.events",
    version=1,
    partition_by=("event_date", "channel"),
    columns=(
        Column("event_id", "string", True, "identity of the event, 32 hex digits; unique in this table"),
        Column("id_origin", "string", True, "where the id came from: provider, minted, conflict, …"),
        Column("channel", "string", True, "medium the event came through"),
        Column("source", "string", True, "producing system within the channel"),
        Column("event_time", "timestamptz", False, "when it happened, UTC; null where unreadable"),
        Column("event_date", "date", True, "UTC date of event_time, of received_at where that is not valid"),
        Column("received_at", "timestamptz", True, "when the door received it"),
        Column("processed_at", "timestamptz", True, "created_at of the plan that decided it"),
        Column("text", "string", False, "the complaint's text; null where unreadable"),
        Column("disposition", "string", True, "accepted, duplicate or quarantined"),
        Column("reason", "string", False, "why it is quarantined, from the registry of reasons"),
        Column("linked_to", "string", False, "event_id of the earlier near-duplicate, if any"),
        Column("similarity", "double", False, "estimated Jaccard similarity to linked_to, 0 to 1"),
        Column("conflicts_with", "string", False, "event_id whose id the sender used again for other bytes"),
        Column("payload_digest", "string", True, "first 16 bytes of SHA-256 over the payload, hex"),
        Column("signature", "binary", False, "low byte of each MinHash permutation; null without text"),
        Column("band_hashes", "list<long>", False, "one hash per MinHash band; null without text"),
        Column("plan", "long", True, "number of the plan that decided it"),
        Column("segment", "string", True, "log segment it was first read from"),
        Column("offset", "long", True, "byte offset of its frame in that segment"),
        Column("contract", "string", True, "payload agreement in force at the door"),
        Column("bundle", "string", True, "configuration in force for the plan"),
        Column("code_version", "string", True, "version of the code that wrote the plan"),
    ),
)

LEDGER = TableSpec(
    name="ops.ledger",
    version=1,
    partition_by=(),
    columns=(
        Column("plan", "long", True, "number of the plan"),
        Column("channel", "string", True, "medium"),
        Column("received", "long", True, "frames the plan cut from the log"),
        Column("accepted", "long", True, "rows with disposition accepted"),
        Column("duplicate", "long", True, "rows with disposition duplicate"),
        Column("quarantined", "long", True, "rows with disposition quarantined"),
        Column("redelivered", "long", True, "events already known: no row"),
        Column("processed_at", "timestamptz", True, "created_at of the plan"),
    ),
)

TABLES: dict[str, TableSpec] = {spec.name: spec for spec in (EVENTS, LEDGER)}
