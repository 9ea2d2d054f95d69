"""What a commit has to read and write does not grow with the number of commits before it."""

from __future__ import annotations

from pathlib import Path

from catalog.lake import upkeep
from catalog.lake.commit import Lake
from catalog.tables import EVENTS
from tests.catalog.lake.conftest import events, put


def measured(lake: Lake) -> tuple[int, int]:
    """Bytes of metadata, and the number of manifests."""
    table = lake.store.load(EVENTS.name)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    return Path(table.metadata_location).stat().st_size, len(snapshot.manifests(table.io))


def test_metadata_is_bounded(lake: Lake) -> None:
    rows = events(1, 8)
    sizes = {}
    for seq in range(1, 121):
        put(lake, seq, rows)
        if seq % 20 == 0:
            upkeep.expire(lake, EVENTS.name, now_us=0)
        if seq in (40, 120):
            sizes[seq] = measured(lake)
    assert sizes[120][0] < 1.2 * sizes[40][0] < 40_000
    assert sizes[120][1] <= 30
    kept = len(list((Path(lake.store.load(EVENTS.name).location()) / "metadata").glob("*.metadata.json")))
    assert kept == 11
