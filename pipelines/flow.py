"""The flow: what happens to every event, in order. Read this first.

    frames of plan n ──► decode ──► normalise ──► redact ──► classify ──► enrich ──► signature
                                pure: any process, any order, any batch                  │
                                                                                         ▼
                                   memory of ids and near-duplicates   in plan order, one process
                                                                                         ▼
                                                                                  rows of plan n

The stream, file drops, backfill and replay all end up in a plan, and every plan comes through here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import repeat

import pyarrow as pa

from catalog.bundle.bundle import Bundle
from catalog.bundle.keys import PseudonymKey
from catalog.control.plans import Plan
from catalog.envelope import NO_CHANNEL, Located, Unreadable
from catalog.errors import Stopped
from catalog.tables import DISPOSITIONS, EVENTS, LEDGER, OUTCOMES, REDELIVERED
from pipelines.stages.classify import Class, Classifier
from pipelines.stages.decode import decode
from pipelines.stages.enrich import Found, Gazetteer
from pipelines.stages.normalise import normalise
from pipelines.stages.redact import Redacted, Redactor
from pipelines.stages.signature import signatures


class Stages:
    """The stages that need no memory, under one bundle and with the key of its pseudonyms."""

    def __init__(self, bundle: Bundle, key: PseudonymKey) -> None:
        self._key_id = key.key_id
        self._redactor = Redactor(bundle, key)
        self._classifier = Classifier(bundle)
        self._gazetteer = Gazetteer(bundle)

    def pure(
        self,
        batch: Sequence[Located],
        crashed: frozenset[tuple[str, int]],
        unreadable: dict[tuple[str, int], Unreadable],
    ) -> pa.Table:
        """One row per frame, in order, none dropped; columns of `structured.events`.

        `crashed` and `unreadable` are the plan's amendments: frames that are quarantined unlooked at. What
        is quarantined is redacted and not judged further.
        """
        decoded = decode(batch, crashed, unreadable)
        redacted = self._redactor.redact(normalise(decoded.texts), decoded.customers)
        reasons = decoded.columns["reason"].to_pylist()
        texts = [None if reason else each.text for each, reason in zip(redacted, reasons, strict=True)]
        findings = {
            **_columns(Redacted._fields, redacted),
            **_columns(Class._fields, self._classifier.classify(texts)),
            **_columns(Found._fields, self._gazetteer.enrich(texts, decoded.places)),
            **signatures(texts)._asdict(),
        }
        table = decoded.columns
        for name, values in findings.items():
            field = EVENTS.arrow_schema.field(name)
            table = table.append_column(field, _array(values, field.type))
        keys = pa.repeat(pa.scalar(self._key_id, pa.large_string()), table.num_rows)
        return table.append_column(EVENTS.arrow_schema.field("key_id"), keys)


def _columns(names: Sequence[str], found: Sequence[tuple[object, ...]]) -> dict[str, Sequence[object]]:
    """What a stage found, by column: `found` has a value for each of these names for every text."""
    columns = zip(*found, strict=True) if found else repeat(())
    return dict(zip(names, columns, strict=False))


def _array(values: Sequence[object] | pa.Array, kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, kind)


def rows(plan: Plan, judged: pa.Table) -> pa.Table:
    """The rows of plan n as `structured.events` holds them, from what the memory judged."""
    constants = {
        "processed_at": plan.created_us,
        "plan": plan.n,
        "bundle": plan.bundle,
        "code_version": plan.code_version,
    }
    arrays = [
        pa.repeat(pa.scalar(constants[field.name]).cast(field.type), judged.num_rows)
        if field.name in constants
        else judged[field.name]
        for field in EVENTS.arrow_schema
    ]
    return pa.Table.from_arrays(arrays, schema=EVENTS.arrow_schema)


def counts(plan: Plan, judged: pa.Table, redelivered: dict[str, int]) -> dict[str, dict[str, int]]:
    """The plan's ledger by channel: `received` as the plan cut it, the outcomes as they were decided.

    Raises Stopped when an event was received and not decided, or decided and not received.
    """
    outcomes = Counter(zip(judged["channel"].to_pylist(), judged["disposition"].to_pylist(), strict=True))
    ledger: dict[str, dict[str, int]] = {}
    received = _rebooked(plan.received, outcomes, redelivered)
    for channel in sorted({*received, *(channel for channel, _ in outcomes), *redelivered}):
        row = {"received": received.get(channel, 0)}
        row |= {disposition: outcomes[channel, disposition] for disposition in DISPOSITIONS}
        row[REDELIVERED] = redelivered.get(channel, 0)
        if row["received"] != sum(row[outcome] for outcome in OUTCOMES):
            raise Stopped(
                "the ledger of a plan does not balance",
                hint="nothing of it was committed; run `beejan verify`",
                plan=plan.n,
                channel=channel,
            )
        ledger[channel] = row
    return ledger


def _rebooked(
    received: dict[str, int], outcomes: Counter[tuple[str, str]], redelivered: dict[str, int]
) -> dict[str, int]:
    """Received by channel, where frames given up after they were planned have lost their channel."""
    decided = Counter(redelivered)
    for (channel, _), count in outcomes.items():
        decided[channel] += count
    lost = decided[NO_CHANNEL] - received.get(NO_CHANNEL, 0)
    short = {
        channel: count - decided[channel] for channel, count in received.items() if channel != NO_CHANNEL
    }
    if lost <= 0 or lost != sum(short.values()) or min(short.values()) < 0:
        return received
    return dict(decided)


def ledger(plan: Plan, counted: dict[str, dict[str, int]]) -> pa.Table:
    """The rows of `ops.ledger` for one plan, one per channel."""
    found = [{"plan": plan.n, "channel": channel, **row} for channel, row in counted.items()]
    schema = LEDGER.arrow_schema
    times = pa.repeat(pa.scalar(plan.created_us).cast(schema.field("processed_at").type), len(found))
    bare = pa.Table.from_pylist(found, schema=schema.remove(schema.get_field_index("processed_at")))
    return bare.append_column(schema.field("processed_at"), times)
