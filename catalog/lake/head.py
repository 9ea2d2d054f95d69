"""What a table says about itself, apart from the table library, which takes a second to import."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from catalog import sql
from catalog.errors import Stopped
from catalog.lake.place import LakePlace

COMMIT_SEQ = "beejan.commit_seq"
CHAIN = "beejan.chain"
TOTALS = "beejan.totals"
COUNTS = "beejan.counts"
LOOKS = 10
_LOCATION = text(
    "SELECT metadata_location FROM iceberg_tables WHERE table_namespace = :schema AND table_name = :name"
)


class Head(NamedTuple):
    """What the table says about itself, from one load."""

    commit_seq: int
    """Number of the last plan committed; 0 before the first."""
    chain: str
    """Hash over the plans up to that one; empty before the first."""
    totals: dict[str, dict[str, int]]
    """Outcomes by channel, over all plans."""
    counts: dict[str, dict[str, int]]
    """Outcomes by channel, of the last plan."""


def head_of(properties: Mapping[str, str]) -> Head:
    """From the table's properties."""
    return Head(
        commit_seq=int(properties.get(COMMIT_SEQ, "0")),
        chain=properties.get(CHAIN, ""),
        totals=json.loads(properties.get(TOTALS, "{}")),
        counts=json.loads(properties.get(COUNTS, "{}")),
    )


def stored_head(place: LakePlace, table: str) -> Head:
    """The head of a table in local files, read from its metadata file; that of an empty one before there is
    a table. Raises Stopped where the file is missing or damaged.
    """
    if not Path(place.warehouse).with_name("catalog.db").exists():
        return head_of({})
    schema, _, name = table.partition(".")
    engine = sql.engine(place.catalog_url)
    try:
        if not inspect(engine).has_table("iceberg_tables"):
            return head_of({})
        for _ in range(LOOKS):  # commits since the pointer was read may have removed what it named
            with engine.connect() as connection:
                row = connection.execute(_LOCATION, {"schema": schema, "name": name}).first()
            if row is None:
                return head_of({})
            try:
                content = Path(str(row[0]).removeprefix("file://")).read_bytes()
                return head_of(json.loads(content)["properties"])
            except FileNotFoundError:
                continue
            except (ValueError, KeyError):
                raise _unusable("damaged", table) from None
    except DBAPIError as error:
        raise sql.failed(error, "the catalog") from None
    finally:
        engine.dispose()
    raise _unusable("gone", table)


def _unusable(how: str, table: str) -> Stopped:
    hint = "restore it from a backup; was the home moved? tables name their files by full path"
    return Stopped(f"the table's metadata file is {how}", hint=hint, table=table)
