"""The benchmark carries every event, and its kernels are those the run is held to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.flow_throughput import append, kernels, lines, run
from cluster.checks import ledger_home
from cluster.settings import Settings
from cluster.wiring import open_stores


def test_a_small_day_goes_through_and_every_kernel_is_timed(tmp_path: Path) -> None:
    given = lines(60)
    settings = replace(Settings(), home=tmp_path / "home", min_free_bytes=0)
    append(settings, given)
    run(settings)
    assert ledger_home(open_stores(settings)).total["accepted"] == 60
    alone = kernels(given, tmp_path)
    assert list(alone) == [
        *("envelope", "frame", "decode", "normalise", "redact", "classify", "enrich", "signature"),
        *("memory", "parquet", "curate", "raw line"),
    ]
