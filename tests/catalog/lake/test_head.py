"""The head that is read without the table library is the one that the library reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.errors import Stopped
from catalog.lake.commit import Lake
from catalog.lake.head import Head, stored_head
from catalog.lake.place import local
from catalog.tables import EVENTS
from tests.serve_apps.query.lakes import small

NOTHING = Head(0, "", {}, {})


def test_before_there_is_a_table_nothing_is_committed_and_nothing_is_made(tmp_path: Path) -> None:
    assert stored_head(local(tmp_path), EVENTS.name) == NOTHING
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "catalog.db").touch()
    assert stored_head(local(tmp_path), EVENTS.name) == NOTHING


def test_it_is_what_the_library_reads(tmp_path: Path) -> None:
    lake = small(local(tmp_path))
    assert stored_head(local(tmp_path), EVENTS.name) == lake.head(EVENTS.name)
    assert lake.head(EVENTS.name).commit_seq == 2
    lake.close()


@pytest.mark.parametrize(("content", "said"), [(None, "gone"), (b"{", "damaged")])
def test_a_metadata_file_that_cannot_be_read_stops(tmp_path: Path, content: bytes | None, said: str) -> None:
    Lake(local(tmp_path)).close()
    for path in tmp_path.glob("warehouse/structured/events/metadata/*.metadata.json"):
        path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(Stopped, match=said):
        stored_head(local(tmp_path), EVENTS.name)
