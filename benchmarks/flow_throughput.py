"""How many events a CPU-second carries from bytes to rows, beside the kernels' own sum in the same run.

    python -m benchmarks.flow_throughput [--events 40000]

Events are complaints of 150 characters from four channels over four event dates. `append` is the batch API
of the door, durable; `run` is everything behind it: plan, decide, commit, ledger, checkpoint, publish. Each
is the number of events divided by the CPU-seconds of the process that does the work, start-up included for
neither. The kernels are the same calls without what the promise costs: frames, the stages, the memory of ids,
one Parquet file, the curated rows and their file, raw lines.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from actors.dedup.config import DedupConfig
from actors.dedup.dedup import Dedup
from catalog.bundle.folder import default
from catalog.bundle.keys import load_or_create
from catalog.clock import SystemClock
from catalog.control.plans import Plan
from catalog.envelope import Envelope, Located
from catalog.log.frames import Codec, encode_body, encode_header
from catalog.objects.folder import Folder
from catalog.raw import Entry, from_line, to_line
from cluster import plain
from cluster.checks import ledger_home, verify_home
from cluster.settings import Settings
from cluster.wiring import bundle_in_force, open_log, open_stores, stages, writer_config
from pipelines import flow
from pipelines.append import envelope
from pipelines.curate import complaints
from pipelines.stages.classify import Classifier
from pipelines.stages.decode import Decoded, decode
from pipelines.stages.enrich import Gazetteer
from pipelines.stages.normalise import normalise
from pipelines.stages.redact import Redactor
from pipelines.stages.signature import signatures, similarities

GROUP = 5_000
WORDS = (  # noqa: SIM905 a sentence is easier to read
    "network down since morning my data finished too fast refund the money you charged me twice agent was "
    "rude signal weak at home lagos ikeja please help call drops airtime missing bundle slow internet"
).split()


def lines(events: int) -> list[bytes]:
    """Texts of 150 characters, hardly two alike."""
    choose = random.Random(5)
    made = []
    for i in range(events):
        text = " ".join(choose.choice(WORDS) for _ in range(40))[:150]
        payload = {"id": f"event-{i}", "text": text, "event_time": f"2026-11-{20 + i % 4}T10:00:00+01:00"}
        channel = ("sms", "social", "web_form", "call_centre")[i // 4 % 4]
        made.append(json.dumps({"channel": channel, "source": "bench", "payload": payload}).encode())
    return made


def cpu_s(work: Callable[[], object]) -> tuple[float, float]:
    """(CPU-seconds, seconds) of this process for one piece of work."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, time.perf_counter() - began


def append(settings: Settings, given: list[bytes]) -> None:
    """As the door does it."""

    async def write() -> None:
        log, clock = open_log(settings)
        writer = log.writer(writer_config(settings))
        for begin in range(0, len(given), GROUP):
            taken = given[begin : begin + GROUP]
            await writer.append([envelope(line, i, "", clock) for i, line in enumerate(taken)])
        await writer.close()

    asyncio.run(write())


def run(settings: Settings) -> None:
    """Everything behind the door, until nothing is left to do."""
    plain.run(settings, True, lambda: False, lambda: False)


def kernels(given: list[bytes], folder: Path) -> dict[str, float]:
    """Microseconds of CPU per event of each kernel alone."""
    clock, count = SystemClock(), len(given)
    spent: dict[str, float] = {}
    kept: dict[str, list[Envelope]] = {}
    spent["envelope"], _ = cpu_s(
        lambda: kept.update(all=[envelope(line, i, "", clock) for i, line in enumerate(given)])
    )
    envelopes = kept["all"]
    codec = Codec(encode_header(b"0123456789abcdef", 0))
    spent["frame"], _ = cpu_s(lambda: codec.split(codec.encode([encode_body(each) for each in envelopes])))
    located = [Located("seg-1", i, each) for i, each in enumerate(envelopes)]
    batches = [located[begin : begin + GROUP] for begin in range(0, count, GROUP)]
    decoded: list[Decoded] = []
    spent["decode"], _ = cpu_s(lambda: decoded.extend(decode(batch, frozenset(), {}) for batch in batches))
    texts = spent_on_text(folder, decoded, spent)
    spent["signature"], _ = cpu_s(lambda: [signatures(each) for each in texts])
    home = replace(Settings(), home=folder / "stages")
    pure = stages(home, bundle_in_force(home)).pure
    tables: list[pa.Table] = [pure(batch, frozenset(), {}) for batch in batches]
    memory = Dedup(DedupConfig(folder / "memory"), similarities)
    judged: list[pa.Table] = []

    def decide() -> None:
        for n, table in enumerate(tables, 1):
            judged.append(memory.decide(n, table).rows)
            memory.promote(n, "")
        memory.checkpoint()

    spent["memory"], _ = cpu_s(decide)
    plan = Plan(1, "log", "", "0", 0, (), {})
    rows = [flow.rows(plan, each) for each in judged]
    spent["parquet"], _ = cpu_s(
        lambda: parquet.write_table(pa.concat_tables(rows), folder / "rows.parquet", compression="zstd")
    )
    whole = pa.concat_tables(rows)
    spent["curate"], _ = cpu_s(
        lambda: parquet.write_table(complaints(whole, {}), folder / "curated.parquet", compression="zstd")
    )
    entries = [Entry(at, "2026-11-20", b"") for at in located]
    spent["raw line"], _ = cpu_s(lambda: [from_line(to_line(entry)) for entry in entries])
    return {name: round(seconds / count * 1e6, 2) for name, seconds in spent.items()}


def spent_on_text(folder: Path, decoded: list[Decoded], spent: dict[str, float]) -> list[list[str | None]]:
    """Time the stages that read the text; the redacted texts."""
    key = load_or_create(Folder(folder / "keys"))
    bundle = default(key.key_id)
    redactor, classifier, gazetteer = Redactor(bundle, key), Classifier(bundle), Gazetteer(bundle)
    clean: list[list[str | None]] = []
    texts: list[list[str | None]] = []
    spent["normalise"], _ = cpu_s(lambda: clean.extend(normalise(each.texts) for each in decoded))
    pairs = list(zip(clean, decoded, strict=True))
    spent["redact"], _ = cpu_s(
        lambda: texts.extend(
            [found.text for found in redactor.redact(each, of.customers)] for each, of in pairs
        )
    )
    spent["classify"], _ = cpu_s(lambda: [classifier.classify(each) for each in texts])
    spent["enrich"], _ = cpu_s(
        lambda: [gazetteer.enrich(each, of.places) for each, of in zip(texts, decoded, strict=True)]
    )
    return texts


def main() -> int:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=40_000)
    events: int = parser.parse_args().events
    given = lines(events)
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(Settings(), home=Path(folder) / "home", min_free_bytes=0)
        open_stores(settings).lake().close()
        append_cpu_s, append_s = cpu_s(lambda: append(settings, given))
        stages(settings, bundle_in_force(settings))  # rules are compiled once a process
        run_cpu_s, run_s = cpu_s(lambda: run(settings))
        stores = open_stores(settings)
        if not verify_home(stores).ok or ledger_home(stores).total["accepted"] != events:
            return 1
        alone = kernels(given, Path(folder))
    found = {
        "events": events,
        "append_per_cpu_s": round(events / append_cpu_s),
        "append_per_s": round(events / append_s),
        "run_per_cpu_s": round(events / run_cpu_s),
        "run_per_s": round(events / run_s),
        "run_us_per_event": round(run_cpu_s / events * 1e6, 1),
        "kernels_us_per_event": alone,
        "run_to_kernels_ratio": round(
            run_cpu_s / events * 1e6 / (sum(alone.values()) - alone["envelope"]), 2
        ),
    }
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
