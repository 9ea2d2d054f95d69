"""Theft and forgery: rows or frames that somebody took or added are named by `verify`, and no others.

Five rows leave a data file, five frames a segment, five lines a raw file; a row is written twice, and one
is invented. Counts, checksums and manifests are made consistent, as somebody who means it would. Every
change is undone before the next.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pyarrow as pa
from pyarrow import parquet

from benchmarks.faults import check, process, workload
from benchmarks.faults.bench import Outcome, Trial
from benchmarks.faults.parts.bit_flips import verified
from catalog.lake import read
from catalog.log.files import SEALED
from catalog.log.frames import FOOTER_BYTES, HEADER_BYTES, Codec, Footer
from catalog.raw import from_line
from catalog.tables import EVENTS
from cluster.settings import Settings
from cluster.wiring import Stores, open_stores
from pipelines.verify import stored

HOMES = 10
LINES = 400
SEGMENT_BYTES, PLAN_ROWS = 100_000, 200
STOLEN = 5
PUBLICATION_DIES = "publish.named:kill@1"
"""Leaves a sealed segment in the log whose every frame is committed."""
INVENTED = "0" * 32
Ids = dict[str, list[str]]
"""Event ids by what `verify` must say of them."""
Robbery = tuple[dict[Path, bytes], Ids]
Way = Callable[[Stores, Random], Robbery]


def trials(seed: int) -> Iterator[Trial]:
    """Homes, each robbed in every way."""
    rng = Random(f"row_theft/{seed}")
    for _ in range(HOMES):
        yield {"seed": rng.getrandbits(32)}


def run(trial: Trial, folder: Path) -> Outcome:
    """Make a home with rows, a committed segment and raw files, then rob it, one way after the other."""
    sent = workload.lines(trial["seed"], LINES)
    receipts = folder / "receipts"
    settings = workload.settings(folder / "home", plan_rows=PLAN_ROWS, segment_bytes=SEGMENT_BYTES)
    for indexes, failpoint in ((range(LINES // 2), ""), (range(LINES // 2, LINES), PUBLICATION_DIES)):
        process.carry_out(folder, partial(process.append, settings, sent, indexes, receipts))
        process.carry_out(folder, lambda: process.run(settings), failpoint)
    findings: list[str] = []
    hits: Counter[str] = Counter()
    for rob in WAYS:
        name = rob.__name__
        with process.Child(folder, partial(_robbed, settings, rob, trial["seed"])) as robber:
            if code := robber.wait():
                findings.append(f"{name}: ended with {code}")
                continue
            findings += [f"{name}: {found}" for found in robber.result]
        hits[name] += 1
    return Outcome(findings, dict(hits), {})


def judge(outcomes: Sequence[Outcome]) -> list[str]:
    """Every home was robbed in every way."""
    hits = sum((Counter(outcome.hits) for outcome in outcomes), Counter())
    return [
        f"{rob.__name__}: {hits[rob.__name__]} times" for rob in WAYS if hits[rob.__name__] < len(outcomes)
    ]


def _robbed(settings: Settings, rob: Way, seed: int) -> list[str]:
    """Rob, look, and give back: what `verify` said beside the truth."""
    stores = open_stores(settings)
    if found := _beside(verified(settings), {}):
        return [f"before: {each}" for each in found]
    files, truth = rob(stores, Random(seed))
    before = {path: path.read_bytes() for path in files}
    try:
        for path, content in files.items():
            path.write_bytes(content)
        return _beside(verified(settings), truth)
    finally:
        for path, content in before.items():
            path.write_bytes(content)


def _beside(report: dict[str, Any], truth: Ids) -> list[str]:
    named = {name: report[name] for name in ("missing", "doubled", "foreign", "corrupt") if report[name]}
    findings = [] if named == truth else [f"named {named}, not {truth}"]
    return findings if report["ok"] == (not truth) else [*findings, f"ok is {report['ok']}"]


def rows_taken(stores: Stores, rng: Random) -> Robbery:
    """Five rows leave a data file."""
    path, rows = _data_file(stores, rng)
    # Not a row together with its conflict: which of their bytes came first is then told by the plans only.
    families = {row["conflicts_with"] or row["event_id"]: at for at, row in enumerate(rows.to_pylist())}
    taken = set(rng.sample(sorted(families.values()), STOLEN))
    kept = rows.take([at for at in range(rows.num_rows) if at not in taken])
    names = [rows["event_id"][at].as_py() for at in taken]
    return {path: _parquet(kept)}, {"missing": sorted(names)}


def row_doubled(stores: Stores, rng: Random) -> Robbery:
    """A row is in its file twice."""
    path, rows = _data_file(stores, rng)
    row = rows.slice(rng.randrange(rows.num_rows), 1)
    return {path: _parquet(pa.concat_tables([rows, row]))}, {"doubled": row["event_id"].to_pylist()}


def row_invented(stores: Stores, rng: Random) -> Robbery:
    """A row stands for an event that nobody sent."""
    path, rows = _data_file(stores, rng)
    (row,) = rows.slice(rng.randrange(rows.num_rows), 1).to_pylist()
    invented = pa.Table.from_pylist(
        [row | {"event_id": INVENTED, "conflicts_with": None}], schema=rows.schema
    )
    return {path: _parquet(pa.concat_tables([rows, invented]))}, {"foreign": [INVENTED]}


def frames_taken(stores: Stores, rng: Random) -> Robbery:
    """Five frames leave a committed segment, whose footer is made again."""
    rows = _sole_rows(stores)
    progress, commit_seq = stores.plans.progress(), stores.lake().head(EVENTS.name).commit_seq
    committed = {name: planned_to for name, (planned_to, plan) in progress.items() if plan <= commit_seq}
    # Not of one that is committed in part: its other frames would move to where committed ones stood.
    whole = [at for at in stores.log.segments() if at.sealed and committed.get(at.name) == at.end]
    segment = max(whole, key=lambda at: at.end).name
    path = stores.home.log / f"{segment}{SEALED}"
    content = path.read_bytes()
    codec, frames = Codec(content[:HEADER_BYTES]), content[HEADER_BYTES:-FOOTER_BYTES]
    starts = [at for at, _ in codec.split(frames)[0]]
    spans = dict(zip(starts, [*starts[1:], len(frames)], strict=True))
    taken = rng.sample([at for at in starts if (segment, HEADER_BYTES + at) in rows], STOLEN)
    kept = content[:HEADER_BYTES] + b"".join(frames[at : spans[at]] for at in starts if at not in taken)
    footer = codec.encode_footer(Footer(len(starts) - STOLEN, hashlib.sha256(kept).digest()))
    return {path: kept + footer}, {"foreign": sorted(rows[segment, HEADER_BYTES + at] for at in taken)}


def lines_taken(stores: Stores, rng: Random) -> Robbery:
    """Five lines leave a raw file, whose manifest is made again."""
    rows = _sole_rows(stores)
    files = [(name, file) for name in stores.raw.segments() for file in stores.raw.manifest(name).files]
    for segment, file in rng.sample(files, len(files)):
        places = [(segment, from_line(line).offset) for line in stores.raw.lines(file)]
        ours = [number for number, place in enumerate(places) if place in rows]
        if len(ours) >= STOLEN:
            break
    taken = rng.sample(ours, STOLEN)
    kept = [line for number, line in enumerate(stores.raw.lines(file)) if number not in taken]
    content = pa.compress(b"".join(line + b"\n" for line in kept), codec="zstd", asbytes=True)
    digest = hashlib.sha256(content).hexdigest()
    replaced = msgspec.structs.replace(file, frames=len(kept), size_bytes=len(content), sha256=digest)
    manifest = stores.raw.manifest(segment)
    others = tuple(replaced if each == file else each for each in manifest.files)
    forged = msgspec.structs.replace(manifest, frames=manifest.frames - STOLEN, files=others).sealed()
    manifest_path = stores.home.raw / "manifests" / f"{segment}.json"
    changes = {stores.home.raw / file.path: content, manifest_path: msgspec.json.encode(forged)}
    return changes, {"foreign": sorted(rows[places[number]] for number in taken)}


WAYS: tuple[Way, ...] = (rows_taken, row_doubled, row_invented, frames_taken, lines_taken)


def _data_file(stores: Stores, rng: Random) -> tuple[Path, pa.Table]:
    """A data file with enough rows."""
    paths = [
        path
        for path in read.data_files(stores.lake(), EVENTS.name).paths
        if parquet.read_metadata(path).num_rows > 2 * STOLEN
    ]
    path = Path(rng.choice(paths))
    with parquet.ParquetFile(path) as opened:
        return path, opened.read()


def _parquet(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(rows, sink, compression="zstd")
    return bytes(sink.getvalue())


def _sole_rows(stores: Stores) -> dict[tuple[str, int], str]:
    """By segment and offset of its frame, the id of every row that stands for this one frame only."""
    frames = [at for at in stored(stores.log, stores.raw).frames if at.envelope is not None]
    pairs = {
        (at.segment, at.offset): (at.envelope.event_id, at.envelope.payload) for at in frames if at.envelope
    }
    times = Counter(pairs.values())
    return {
        (row["segment"], row["offset"]): row["event_id"]
        for row in check.events(stores.lake())
        if times[pairs[row["segment"], row["offset"]]] == 1
    }
