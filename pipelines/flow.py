"""The flow: what happens to every event, in order. Read this first.

    frames of plan n ──► decode ──► signature ──┐ pure: any process, any order, any batch
                                                ▼
                         memory of ids and near-duplicates   in plan order, one process
                                                ▼
                                              rows of plan n

The stream, file drops, backfill and replay all end up in a plan, and every plan comes through here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from catalog.control.plans import Plan
from catalog.envelope import NO_CHANNEL, Located, Unreadable
from catalog.errors import Stopped
from catalog.tables import DISPOSITIONS, EVENTS, LEDGER, OUTCOMES, REDELIVERED
from pipelines.stages.decode import decode
from pipelines.stages.signature import signatures


def pure(
    batch: Sequence[Located],
    crashed: frozenset[tuple[str, int]],
    unreadable: dict[tuple[str, int], Unreadable],
) -> pa.Table:
    """The stages that need no memory: one row per frame, in order, none dropped.

    `crashed` and `unreadable` are the plan's amendments: frames that are quarantined unlooked at.
    """
    decoded = decode(batch, crashed, unreadable)
    texts = pc.if_else(pc.is_null(decoded["reason"]), decoded["text"], None).combine_chunks()
    signed = signatures(texts)
    return decoded.append_column(EVENTS.arrow_schema.field("signature"), signed.signature).append_column(
        EVENTS.arrow_schema.field("band_hashes"), signed.band_hashes
    )


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
