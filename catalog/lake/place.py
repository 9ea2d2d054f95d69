"""Where a lake is; told apart from the table library, which takes a second to import."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from sqlalchemy.engine import URL


class LakePlace(NamedTuple):
    """Where a lake is: the URL of its catalog's database, the location of its files, and for an object store
    how it is reached (`s3.endpoint`, `s3.region` and both keys, as pyiceberg calls them)."""

    catalog_url: str
    warehouse: str
    files: dict[str, str]

    def __repr__(self) -> str:
        return f"LakePlace({self.warehouse})"  # the rest holds passwords


def local(home: Path) -> LakePlace:
    """The lake of a home on local disk."""
    home = home.resolve()  # the tables keep absolute paths
    sqlite = URL.create("sqlite", database=str(home / "catalog.db"))
    return LakePlace(sqlite.render_as_string(), str(home / "warehouse"), {})
