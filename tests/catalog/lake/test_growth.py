"""What a commit has to read and write does not grow with the number of commits before it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from catalog.lake import read, upkeep
from catalog.lake.commit import Lake
from catalog.lake.folder import Folder
from catalog.lake.rebuild import rebuild
from catalog.tables import COMPLAINTS, EVENTS
from tests.catalog.lake.conftest import ON_FILES, events, put

pytestmark = pytest.mark.slow


def measured(lake: Lake, table_name: str = EVENTS.name) -> tuple[int, int]:
    """Bytes of metadata, and the number of manifests."""
    table = lake.store.load(table_name)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    return len(table.io.new_input(table.metadata_location)), len(snapshot.manifests(table.io))


@ON_FILES
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
    listed = Folder(lake.store.load(EVENTS.name)).listed()
    assert sum(path.endswith(".metadata.json") for path in listed) == 11


@ON_FILES
def test_a_table_that_is_rebuilt_again_and_again_keeps_few_manifests(lake: Lake) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    for seq in range(1, 61):
        day = date(2026, 1, 1) + timedelta(days=seq // 20)
        row = {name: None for name in COMPLAINTS.arrow_schema.names} | {
            **dict.fromkeys(("event_id", "channel", "source", "disposition", "bundle"), f"{seq}"),
            **{"event_date": day, "received_at": now, "processed_at": now, "plan": seq},
        }
        rebuild(lake, COMPLAINTS.name, [(day, pa.Table.from_pylist([row], COMPLAINTS.arrow_schema))], seq)
    assert measured(lake, COMPLAINTS.name)[1] <= 6
    assert sorted(read.rows(lake, COMPLAINTS.name, 1, 60)["plan"].to_pylist()) == [19, 39, 59, 60]
