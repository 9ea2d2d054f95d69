"""The catalog on a database server, which another engine reads too."""

from __future__ import annotations

from pyiceberg.catalog.sql import SqlCatalog

from catalog.lake.store import CATALOG_NAME


def make_catalog(uri: str) -> None:
    """Make the catalog's own tables as this library lays them out; nothing when they are there.

    `uri` is SQLAlchemy's. The other engine adds a column of its own and takes the rest as it finds it.
    """
    SqlCatalog(CATALOG_NAME, uri=uri).close()
