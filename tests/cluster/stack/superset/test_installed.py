"""Superset's environment is whole, or it is said why it is not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from catalog.errors import Unavailable
from cluster.stack.superset.installed import LOCK, installed

FAKE = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/asked"
[ "$1" = venv ] && for last; do :; done && mkdir -p "$last/bin"
[ "$1" = pip ] && [ -e "$(dirname "$0")/fail" ] && echo no such package >&2 && exit 1
exit 0
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs whose uv makes folders only, and fails once it has a file `fail`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "uv").write_text(FAKE)
    (folder / "uv").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    return folder


def test_the_second_time_nothing_is_needed(tmp_path: Path, programs: Path) -> None:
    first = installed(tmp_path / "cache")
    assert (first.parent / "requirements.lock").read_bytes() == LOCK.read_bytes()
    (programs / "uv").unlink()
    assert installed(tmp_path / "cache") == first


def test_every_package_is_checked(tmp_path: Path, programs: Path) -> None:
    installed(tmp_path / "cache")
    assert "--require-hashes" in (programs / "asked").read_text()


def test_half_of_it_is_made_anew(tmp_path: Path, programs: Path) -> None:
    (programs / "fail").touch()
    with pytest.raises(Unavailable, match="no such package"):
        installed(tmp_path / "cache")
    (programs / "fail").unlink()
    assert installed(tmp_path / "cache").exists()
    assert (programs / "asked").read_text().count("pip sync") == 2


def test_without_uv_it_says_what_to_do(tmp_path: Path, programs: Path) -> None:
    (programs / "uv").unlink()
    with pytest.raises(Unavailable, match="make setup"):
        installed(tmp_path / "cache")
