"""On disk: what a crash leaves, and who may read it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from catalog import failpoints
from catalog.objects.folder import Folder


@pytest.fixture(autouse=True)
def _disarm() -> object:
    yield
    failpoints.arm("")


@pytest.mark.parametrize("way", ["put", "create"])
def test_a_crash_before_the_name_leaves_what_was_there(tmp_path: Path, way: str) -> None:
    folder = Folder(tmp_path / "kept")
    folder.put("a/old", b"old")
    failpoints.arm("object.synced:raise@1")
    key = "a/old" if way == "put" else "a/new"
    with pytest.raises(OSError, match="failpoint"):
        getattr(folder, way)(key, b"new")
    assert [each.key for each in folder.list("")] == ["a/old"]
    assert folder.get("a/old") == b"old"
    assert len(list((tmp_path / "kept/a").iterdir())) == 2
    folder.sweep()
    assert [path.name for path in (tmp_path / "kept/a").iterdir()] == ["old"]


def test_files_are_their_owners_only(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put("a", b"1")
    folder.create("b", b"1")
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"} == {0o600}


def test_a_sweep_leaves_files_of_others(tmp_path: Path) -> None:
    (tmp_path / ".keep").write_bytes(b"")
    Folder(tmp_path).sweep()
    assert (tmp_path / ".keep").exists()
