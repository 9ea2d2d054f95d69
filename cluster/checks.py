"""What the commands that look into a home are made of."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from actors.dedup.dedup import Dedup
from actors.worker.worker import Worker
from catalog.control.plans import CORRUPT, LOST, Plan, PlanStore
from catalog.errors import BadInput
from catalog.ids import corrupt_frame_id
from catalog.lake import read
from catalog.tables import EVENTS, LEDGER
from cluster.settings import Settings
from cluster.wiring import Stores, dedup_config, open_stores, worker_config
from pipelines.redecide import Redecision, redecide
from pipelines.stages.signature import similarities
from pipelines.status import COUNTED, SCAN_FRAMES, Ledger, ledger, status
from pipelines.verify import Coverage, Report, stored, verify

PLANS_AT_ONCE = 200
UNDECIDED = {"plan": None, "commit": None, "data_file": None, "disposition": None, "reason": None}
SHOWN = (
    *("segment", "offset", "plan", "disposition", "reason"),
    *("linked_to", "link_kind", "similarity", "cluster_id", "bridges", "conflicts_with"),
    *("l1", "l2", "region"),
)


def recorded(plans: PlanStore, upto: int) -> Iterator[Plan]:
    """Every plan up to and with `upto`, in order."""
    n = 0
    while n < upto:
        found = plans.after(n, min(PLANS_AT_ONCE, upto - n))
        if not found:
            return
        yield from found
        n = found[-1].n


def verify_home(stores: Stores) -> Report:
    """The table first: what is stored is read later and so holds at least what the table was made of."""
    table = read.table_ids(stores.lake())
    cuts = [(plan.n, cut) for plan in recorded(stores.plans, table.commit_seq) for cut in plan.ranges]
    found = stored(stores.log, stores.raw)
    return verify(found, Coverage(cuts), table, stores.plans.amendments())


def redecide_home(settings: Settings) -> Redecision:
    """Decide with a memory of its own, which is removed afterwards."""
    stores = open_stores(settings)
    lake = stores.lake()
    commit_seq = lake.head(EVENTS.name).commit_seq
    scratch = Path(tempfile.mkdtemp(prefix="redecide-", dir=stores.home.state))
    memory = Dedup(replace(dedup_config(settings), state_dir=scratch), similarities)
    try:
        return redecide(
            recorded(stores.plans, commit_seq),
            lambda n: read.rows(lake, EVENTS.name, n, n),
            Worker(worker_config(settings)).pure,
            memory,
        )
    finally:
        memory.close()
        shutil.rmtree(scratch)


def ledger_home(stores: Stores) -> Ledger:
    """Three counts of the same events, held against each other as of one commit."""
    lake = stores.lake()
    head = lake.head(EVENTS.name)
    rows = read.rows(lake, LEDGER.name, 1, head.commit_seq).to_pylist()
    if head.commit_seq and all(row["plan"] != head.commit_seq for row in rows):
        # Between a commit and its ledger row, which is then written from these very counts.
        rows += [{"channel": channel, **counted} for channel, counted in head.counts.items()]
    recorded: dict[str, dict[str, int]] = {}
    for row in rows:
        counted = recorded.setdefault(row["channel"], {})
        for column in COUNTED:
            counted[column] = counted.get(column, 0) + row[column]
    return ledger(head, recorded, read.counts(lake, head.commit_seq))


def is_idle(settings: Settings) -> bool:
    """Whether everything durable is planned, committed, counted, and published where it is sealed."""
    stores = open_stores(settings)
    lake = stores.lake()
    found = status(stores.log, stores.plans, lake.head(EVENTS.name), stores.clock.now_us())
    is_published = not any(segment.sealed for segment in stores.log.segments())
    is_counted = lake.head(LEDGER.name).commit_seq == found.commit_seq
    return not found.backlog_events and is_published and is_counted


def find_event(stores: Stores, event_id: str) -> dict[str, Any]:
    """Where an event is: committed in the table, pending in the log, or unknown."""
    return (
        _committed(stores, event_id)
        or _stored(stores, event_id)
        or _committed(stores, event_id)  # it may have gone from the log to the table between both looks
        or {"event_id": event_id, "state": "unknown", "segment": None, "offset": None, **UNDECIDED}
    )


def _committed(stores: Stores, event_id: str) -> dict[str, Any] | None:
    row = read.row(stores.lake(), event_id)
    if row is None:
        return None
    return {
        "event_id": event_id,
        "state": "committed",
        **{name: row.values[name] for name in SHOWN},
        "commit": row.values["plan"],
        "processed_at": row.values["processed_at"].isoformat(),
        "data_file": row.data_file,
    }


def _stored(stores: Stores, event_id: str) -> dict[str, Any] | None:
    progress = stores.plans.progress()
    for segment in stores.log.segments():
        with suppress(LookupError):  # published since it was listed
            found, _ = stores.log.salvage(segment.name)
            for at in found:
                if at.envelope is not None and at.envelope.event_id == event_id:
                    is_planned = at.offset < progress.get(segment.name, (0, 0))[0]
                    state = "planned" if is_planned else "pending"
                    where = {"segment": at.segment, "offset": at.offset}
                    return {"event_id": event_id, "state": state, **where, **UNDECIDED}
    return None


def give_up(stores: Stores, segment: str, offset: int) -> dict[str, Any]:
    """Write a frame off. Raises BadInput for one that can be read, or that is not where a frame begins.

    One that was committed before it was damaged keeps its row: what is lost are its bytes.
    """
    listed = {each.name: each for each in stores.log.segments()}.get(segment)
    if listed is None:
        raise BadInput("no such segment in the log", hint="`beejan status` names it", segment=segment)
    before = stores.plans.amendments([segment]).given_up(segment)
    if stores.log.scan(segment, listed.start, SCAN_FRAMES, before).corrupt_at != offset:
        raise BadInput(
            "no unreadable frame begins at this offset",
            hint="`beejan status` names the one that does",
            segment=segment,
            offset=offset,
        )
    commit_seq = stores.lake().head(EVENTS.name).commit_seq
    cuts = [(plan.n, cut) for plan in recorded(stores.plans, commit_seq) for cut in plan.ranges]
    reason = CORRUPT if Coverage(cuts).position_of(segment, offset) is None else LOST
    event_id = corrupt_frame_id(segment, offset)
    stores.plans.amend(segment, offset, event_id, reason, stores.clock.now_us())
    return {"event_id": event_id, "segment": segment, "offset": offset, "reason": reason}
