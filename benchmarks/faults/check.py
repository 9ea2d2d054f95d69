"""The offline checker: after whatever happened to a home, run it to idle and hold it to what was sent.

It knows every line that was sent and every receipt that was given, and reads the table's data files itself;
the product's own `verify`, `ledger` and `redecide` must agree on top of that.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import parquet

from benchmarks.faults import process
from benchmarks.faults.workload import Line, acknowledged
from catalog.ids import conflict_id
from catalog.lake import read
from catalog.lake.commit import Lake
from catalog.lake.rebuild import source_seq
from catalog.tables import COMPLAINTS, DERIVED, EVENTS, KPI_DAILY, LEDGER, TABLES
from cluster.checks import ledger_home, redecide_home, verify_home
from cluster.places import Places, places
from cluster.settings import Settings
from cluster.wiring import Stores, open_stores
from pipelines import curate, kpis
from pipelines.aliases import Aliases
from pipelines.verify import stored

SHOWN = 3
COLUMNS = [
    *("event_id", "payload_digest", "conflicts_with", "reason", "linked_to", "channel", "source", "plan"),
    *("segment", "offset"),
]
Row = dict[str, Any]


class Verdict(NamedTuple):
    """What is wrong with a home, and what was counted there."""

    findings: list[str]
    facts: dict[str, int]


def settle(
    folder: Path,
    settings: Settings,
    sent: Sequence[Line],
    receipts: Path,
    run: Callable[[Settings], None] = process.run,
) -> Verdict:
    """Run to idle without faults, then check, each in a process of its own."""
    with process.Child(folder, lambda: run(settings)) as runner:
        if code := runner.wait():
            return Verdict([f"a run without faults ended with {code}"], {})
    with process.Child(folder, lambda: check(settings, sent, receipts)) as checker:
        if code := checker.wait():
            return Verdict([f"checking ended with {code}"], {})
        return Verdict(*checker.result)


def check(settings: Settings, sent: Sequence[Line], receipts: Path) -> Verdict:
    """Check an idle home; opens every store, so not for a process that will fork."""
    stores = open_stores(settings)
    lake = stores.lake()
    rows = events(lake)
    frames = stored(stores.log, stores.raw).frames
    ledger = ledger_home(stores)
    receipted = acknowledged(receipts)
    findings = [
        *_acknowledged(rows, sent, receipted),
        *_sent(rows, sent),
        *_families(rows, sent),
        *_counts(ledger.balanced, ledger.total, len(frames), len(rows), len(receipted)),
        *_ledger_rows(lake),
        *_curated(lake),
        *_named_files(lake),
        *_left_overs(places(settings), stores),
    ]
    report = verify_home(stores)
    if not report.ok or report.pending:
        findings.append(f"verify is red: {report}"[:500])
    again = redecide_home(settings)
    if not again.ok or again.compared != len(rows):
        findings.append(f"redecide differs: {again.compared} compared, {again.different[:SHOWN]}")
    facts = {"rows": len(rows), "frames": len(frames), "receipts": len(receipted)}
    return Verdict(findings, facts | {"plans": ledger.commit_seq, "redelivered": ledger.total["redelivered"]})


def events(lake: Lake) -> list[Row]:
    """Every row of `structured.events`, from its data files."""
    rows: list[Row] = []
    for path in read.data_files(lake, EVENTS.name).paths:
        with lake.store.files.new_input(path).open() as stream, parquet.ParquetFile(stream) as opened:
            rows += opened.read(columns=COLUMNS).to_pylist()
    return sorted(rows, key=lambda row: (row["plan"], row["segment"], row["offset"]))


def _acknowledged(
    rows: Sequence[Row], sent: Sequence[Line], receipts: Sequence[tuple[int, str]]
) -> Iterator[str]:
    """Every receipt stands for exactly one row, with the id it promised."""
    times = Counter((row["conflicts_with"] or row["event_id"], row["payload_digest"]) for row in rows)
    for index, name in receipts:
        line = sent[index]
        if line.event_id not in (None, name):
            yield f"line {index} got a receipt for another id"
        if (found := times[name, line.digest]) != 1:
            yield f"acknowledged line {index} has {found} rows"
    if doubled := [name for name, count in Counter(row["event_id"] for row in rows).items() if count > 1]:
        yield f"{len(doubled)} ids are there more than once: {doubled[:SHOWN]}"


def _sent(rows: Sequence[Row], sent: Sequence[Line]) -> Iterator[str]:
    """Every row was sent, and became what its line says."""
    known = {(line.event_id, line.digest): line for line in sent}
    first = {row["event_id"] for row in rows}
    for row in rows:
        name, digest, reason = row["conflicts_with"] or row["event_id"], row["payload_digest"], row["reason"]
        line = known.get((name, digest)) or known.get((None, digest))
        if line is None or (row["channel"], row["source"]) != (line.channel, line.source):
            yield f"a row was never sent: {row['event_id']}"
        elif row["conflicts_with"]:
            if reason != "idempotency_conflict" or name not in first:
                yield f"a conflict without its original: {row['event_id']}"
            if row["event_id"] != conflict_id(line.source, name, digest):
                yield f"a conflict under another id: {row['event_id']}"
        elif reason != line.reason:
            yield f"{row['event_id']} is {reason}, not {line.reason}"


def _families(rows: Sequence[Row], sent: Sequence[Line]) -> Iterator[str]:
    """Of near-duplicates the first one committed stands alone, the others are linked to an earlier one."""
    family = {(line.event_id, line.digest): line.family for line in sent if line.family is not None}
    earlier: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        found = family.get((row["event_id"], row["payload_digest"]))
        if found is None or row["reason"]:
            if row["linked_to"]:
                yield f"{row['event_id']} is linked and resembles nothing"
            continue
        linked = row["linked_to"] in earlier[found]
        if linked != bool(earlier[found]) or linked != bool(row["linked_to"]):
            yield f"{row['event_id']} is not linked as its family is"
        earlier[found].add(row["event_id"])


def _counts(balanced: bool, total: dict[str, int], frames: int, rows: int, receipts: int) -> Iterator[str]:
    if not balanced:
        yield "the ledger does not balance"
    if total["received"] != frames or frames < receipts:
        yield f"received {total['received']}, stored {frames} frames, gave {receipts} receipts"
    if total["received"] - total["redelivered"] != rows:
        yield f"received {total['received']}, redelivered {total['redelivered']}, but {rows} rows"


def _ledger_rows(lake: Lake) -> Iterator[str]:
    upto = lake.head(EVENTS.name).commit_seq
    if lake.head(LEDGER.name).commit_seq != upto:
        yield "the ledger is behind the events"
    rows = read.rows(lake, LEDGER.name, 0, upto, ("plan", "channel")).to_pylist()
    if len({(row["plan"], row["channel"]) for row in rows}) != len(rows):
        yield "a plan is in the ledger twice"
    if {row["plan"] for row in rows} != set(range(1, upto + 1)):
        yield "a plan is not in the ledger"


def _curated(lake: Lake) -> Iterator[str]:
    """After an orderly end the curated tables are what the events say, built from the last commit."""
    upto = lake.head(EVENTS.name).commit_seq
    for name in DERIVED:
        if source_seq(lake, name) != upto:
            yield f"{name} is behind the events"
    aliases = Aliases()
    aliases.follow(lake, upto)
    representatives = aliases.representatives()
    expected = curate.complaints(read.rows(lake, EVENTS.name, 1, upto, curate.COLUMNS), representatives)
    if read.rows(lake, COMPLAINTS.name, 1, upto).sort_by("event_id") != expected.sort_by("event_id"):
        yield f"{COMPLAINTS.name} is not what the events say"
    counted = kpis.counted(read.rows(lake, EVENTS.name, 1, upto, kpis.COLUMNS), representatives)
    if _in_order(read.whole(lake, KPI_DAILY.name)) != _in_order(kpis.kpis(counted)):
        yield f"{KPI_DAILY.name} is not what the events say"


def _in_order(days: pa.Table) -> pa.Table:
    return days.sort_by([(name, "ascending") for name in kpis.KEYS])


def _named_files(lake: Lake) -> Iterator[str]:
    """What the catalog, or a snapshot that it keeps, names is there."""

    @cache
    def is_there(location: str) -> bool:
        return lake.store.files.new_input(location).exists()

    for name in TABLES:
        table = lake.store.load(name)
        named = {table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log)}
        for snapshot in table.metadata.snapshots:
            named.add(snapshot.manifest_list)
            if not is_there(snapshot.manifest_list):
                continue
            for manifest in snapshot.manifests(table.io):
                named.add(manifest.manifest_path)
                if is_there(manifest.manifest_path):
                    entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
                    named |= {entry.data_file.file_path for entry in entries}
        missing = sorted(location for location in named if not is_there(location))
        if missing:
            yield f"{name} names {len(missing)} missing files: {missing[:SHOWN]}"


def _left_overs(at: Places, stores: Stores) -> Iterator[str]:
    """Idle and without a writer, the log is empty and the raw layer holds what its manifests name."""
    if left := sorted(_kept(at, "log") - _tombstones(at)):
        yield f"left in the log: {left[:SHOWN]}"
    named = {f"manifests/{name}.json" for name in stores.raw.segments()}
    named |= {file.path for name in stores.raw.segments() for file in stores.raw.manifest(name).files}
    if (there := _kept(at, "raw")) != named:
        yield f"raw files and manifests differ: {sorted(there ^ named)[:SHOWN]}"


def _kept(at: Places, store: str) -> set[str]:
    """The keys of all that is in a store, also of what the product does not list."""
    if not at.is_local:
        return {each.key for each in at.within(store).list("")}
    root = Path(at.objects.url, store)
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def _tombstones(at: Places) -> set[str]:
    """What an object log leaves on purpose: the last object of each segment, and what tells it the time."""
    if at.is_local:
        return set()
    groups = sorted(key for key in _kept(at, "log") if key.startswith("groups/"))
    return {"clock/now", *{key.rpartition("/")[0]: key for key in groups}.values()}
