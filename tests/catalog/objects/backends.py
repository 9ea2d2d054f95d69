"""The places for objects that the behaviour suite runs on: a new one becomes one more line of BACKENDS."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.objects.folder import Folder
from catalog.objects.port import Objects
from catalog.objects.s3 import S3, Place


def place(request: pytest.FixtureRequest) -> Place:
    """A prefix of the session's bucket that nobody used before."""
    bucket: Place = request.getfixturevalue("bucket")
    return bucket.within(secrets.token_hex(8))


def _folder(request: pytest.FixtureRequest) -> Objects:
    root: Path = request.getfixturevalue("tmp_path")
    return Folder(root / "objects")


BACKENDS: dict[str, Callable[[pytest.FixtureRequest], Objects]] = {
    "folder": _folder,
    "s3": lambda request: S3(place(request)),
}
