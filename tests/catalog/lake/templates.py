"""A lake made once and copied for each test, to one place: its files name each other by absolute path."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import LiteralString, Protocol

import psycopg
import pytest

from catalog.lake.store import LakePlace, local
from catalog.objects.s3 import S3
from tests.places import on_servers


class Template(Protocol):
    """A place, and what is there again after each `restore`."""

    @property
    def place(self) -> LakePlace:
        """Where the lake is."""
        ...

    def keep(self) -> None:
        """What is there now is the template."""
        ...

    def restore(self) -> None:
        """Bring it back."""
        ...


class OnFiles:
    """SQLite and local files."""

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        del request
        self._home, self._kept = folder / "home", folder / "kept"
        self._home.mkdir()
        self.place = local(self._home)

    def keep(self) -> None:
        shutil.copytree(self._home, self._kept)

    def restore(self) -> None:
        shutil.rmtree(self._home)
        shutil.copytree(self._kept, self._home)


class OnServers:
    """PostgreSQL and S3."""

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        del folder
        places = on_servers(request.getfixturevalue("stack"))
        self.place = places.lake
        self._objects = S3(replace(places.objects, url=places.warehouse))
        self._url = places.catalog_url.replace("+psycopg", "")

    def keep(self) -> None:
        self._kept = {each.key: self._objects.get(each.key) for each in self._objects.list("")}
        self._execute("CREATE TABLE kept AS TABLE iceberg_tables")

    def restore(self) -> None:
        there = {each.key for each in self._objects.list("")}
        self._objects.delete(sorted(there - self._kept.keys()))
        for key, content in self._kept.items():
            if key not in there or self._objects.get(key) != content:
                self._objects.put(key, content)
        self._execute("TRUNCATE iceberg_tables")
        self._execute("INSERT INTO iceberg_tables TABLE kept")

    def _execute(self, sql: LiteralString) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(sql)


TEMPLATES: dict[str, Callable[[pytest.FixtureRequest, Path], Template]] = {
    "files": OnFiles,
    "servers": OnServers,
}
