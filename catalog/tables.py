"""Table specs as data: every column, what it means, how the table is partitioned.

Field ids are given by position and never used again: add columns at the end.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import pyarrow as pa

Type = Literal[
    "string", "long", "double", "boolean", "date", "timestamptz", "binary", "list<long>", "list<string>"
]

ARROW_TYPES: dict[Type, pa.DataType] = {
    "string": pa.large_string(),
    "long": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "binary": pa.large_binary(),
    "list<long>": pa.large_list(pa.field("element", pa.int64(), nullable=False)),
    "list<string>": pa.large_list(pa.field("element", pa.large_string(), nullable=False)),
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
    version=2,
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
        Column("text", "string", False, "the complaint's redacted text; null where unreadable"),
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
        Column("customer_key", "string", False, "keyed pseudonym of the customer"),
        Column("region", "string", False, "region of the country, canonical name"),
        Column("link_kind", "string", False, "what linked_to means: near_duplicate or same_complaint"),
        Column("cluster_id", "string", False, "the cluster as decided, before bridges: its first event_id"),
        Column("bridges", "list<string>", False, "cluster ids that this event joined to its own"),
        Column("utc_offset_min", "long", False, "offset of the original event time, minutes"),
        Column("zone", "string", False, "time zone of the original event time, IANA name or offset"),
        Column("local_date", "date", False, "business date: of event_time in its own zone"),
        Column("account_key", "string", False, "keyed pseudonym of the account"),
        Column("key_id", "string", False, "which key made the pseudonyms"),
        Column("operator", "string", False, "network operator of the customer's number range"),
        Column("country", "string", False, "ISO 3166 code"),
        Column("city", "string", False, "city, canonical name"),
        Column("place_basis", "string", False, "where the place came from: field or text"),
        Column("is_complaint", "boolean", False, "whether the text is a complaint at all"),
        Column("l1", "string", False, "category of the first level"),
        Column("l2", "string", False, "category of the second level"),
        Column("secondary_l2", "list<string>", False, "further categories of the second level"),
        Column("confidence", "double", False, "of the category, 0 to 1"),
        Column("needs_review", "boolean", False, "whether a person should look at the category"),
        Column("evidence", "string", False, "JSON: rules that matched and where in the text"),
        Column("pii", "string", False, "JSON: how many identifiers of each kind were redacted"),
        Column("extra_fields", "long", False, "payload fields that the contract does not know"),
        Column("reason_field", "string", False, "path of the payload field that the reason is about"),
    ),
)

COMPLAINTS = TableSpec(
    name="curated.complaints",
    version=1,
    partition_by=("event_date",),
    columns=(
        Column("event_id", "string", True, "identity of the event; unique in this table"),
        Column("channel", "string", True, "medium the event came through"),
        Column("source", "string", True, "producing system within the channel"),
        Column("event_time", "timestamptz", False, "when it happened, UTC"),
        Column("event_date", "date", True, "UTC date of event_time"),
        Column("local_date", "date", False, "business date: of event_time in its own zone"),
        Column("received_at", "timestamptz", True, "when the door received it"),
        Column("processed_at", "timestamptz", True, "created_at of the plan that decided it"),
        Column("customer_key", "string", False, "keyed pseudonym of the customer"),
        Column("account_key", "string", False, "keyed pseudonym of the account"),
        Column("redacted_text", "string", False, "the complaint's text without identifiers"),
        Column("country", "string", False, "ISO 3166 code"),
        Column("region", "string", False, "region of the country, canonical name"),
        Column("city", "string", False, "city, canonical name"),
        Column("operator", "string", False, "network operator of the customer's number range"),
        Column("is_complaint", "boolean", False, "whether the text is a complaint at all"),
        Column("l1", "string", False, "category of the first level"),
        Column("l2", "string", False, "category of the second level"),
        Column("secondary_l2", "list<string>", False, "further categories of the second level"),
        Column("confidence", "double", False, "of the category, 0 to 1"),
        Column("needs_review", "boolean", False, "whether a person should look at the category"),
        Column("evidence", "string", False, "JSON: rules that matched and where in the text"),
        Column("disposition", "string", True, "accepted, duplicate or quarantined"),
        Column("linked_to", "string", False, "event_id of the earlier event it is linked to, if any"),
        Column("link_kind", "string", False, "what linked_to means: near_duplicate or same_complaint"),
        Column("similarity", "double", False, "estimated Jaccard similarity to linked_to, 0 to 1"),
        Column("cluster_id", "string", False, "its cluster, bridges between clusters resolved"),
        Column("is_representative", "boolean", False, "whether it is its cluster's first member"),
        Column("bundle", "string", True, "configuration in force for the plan"),
        Column("plan", "long", True, "number of the plan that decided it"),
    ),
)

KPI_DAILY = TableSpec(
    name="curated.kpi_daily",
    version=1,
    # Not by local_date: questions read years, and a year of days would be hundreds of small files.
    partition_by=("month",),
    columns=(
        Column("month", "date", True, "first day of local_date's month, kept within 1999-12 and 2100-01"),
        Column("local_date", "date", True, "business date; of events without one their event_date"),
        Column("channel", "string", True, "medium the events came through"),
        Column("region", "string", False, "region of the country, canonical name"),
        Column("l1", "string", False, "category of the first level"),
        Column("l2", "string", False, "category of the second level"),
        Column("complaints", "long", True, "accepted events that are complaints"),
        Column("clusters", "long", True, "different grievances among them"),
        Column("quarantined", "long", True, "events held back"),
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

TABLES: dict[str, TableSpec] = {spec.name: spec for spec in (EVENTS, COMPLAINTS, KPI_DAILY, LEDGER)}
DERIVED = (COMPLAINTS.name, KPI_DAILY.name)
"""Tables that are built from `structured.events` and say from which of its commits."""
