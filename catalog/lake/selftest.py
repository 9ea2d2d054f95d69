"""Proof at start-up that this catalog and library refuse a stale commit, with these very settings."""

from __future__ import annotations

import secrets
from contextlib import suppress

import pyarrow as pa
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table

from catalog.errors import CommitConflict, Stopped, UnsafeStore
from catalog.lake.folder import Folder
from catalog.lake.store import Store
from catalog.lake.swap import SNAPSHOT_SEQ, swap
from catalog.tables import Column, TableSpec

PREFIX = "ops.self_test_"
LEFT_US = 3_600_000_000
"""A test takes seconds: no living process has a table as old as this."""


def prove_guard(store: Store, now_us: int) -> None:
    """Let one committer overtake another on a table of its own, which is dropped again.

    Raises UnsafeStore when the overtaken one gets through, with rows or without. A crash leaves a small
    table in `ops` that nobody reads, until a start finds that it is old.
    """
    for name in store.named(PREFIX):
        _remove_left(store, name, now_us)
    spec = TableSpec(
        name=f"{PREFIX}{secrets.token_hex(8)}",
        columns=(Column("plan", "long", True, "any number"),),
        partition_by=(),
        version=1,
    )
    none = spec.arrow_schema.empty_table()
    one = pa.table({"plan": [1]}, schema=spec.arrow_schema)
    store.ensure(spec)
    stale = store.load(spec.name)
    try:
        _append(store.load(spec.name), none)
        for rows in (none, one):
            _refused(stale, rows)
    finally:
        _remove(store, spec.name, stale)


def _remove_left(store: Store, name: str, now_us: int) -> None:
    try:
        left = store.load(name)
    except NoSuchTableError:
        return  # another start removed it, or its own test is over
    except Stopped:  # its files are gone or damaged: only its name is left to remove
        with suppress(NoSuchTableError):
            store.drop(name)
        return
    if now_us - left.metadata.last_updated_ms * 1000 > LEFT_US:
        _remove(store, name, left)


def _remove(store: Store, name: str, table: Table) -> None:
    with suppress(NoSuchTableError):  # another start, by a clock far ahead
        store.drop(name)
    with suppress(OSError):  # it is nobody's table any more
        Folder(table).remove()


def _append(table: Table, rows: pa.Table) -> None:
    transaction = table.transaction()
    transaction.append(rows, snapshot_properties={SNAPSHOT_SEQ: "0"})
    transaction.set_properties({"beejan.self_test": "1"})
    swap(transaction)


def _refused(stale: Table, rows: pa.Table) -> None:
    try:
        _append(stale, rows)
    except CommitConflict:
        return
    raise UnsafeStore(
        "the catalog accepted a stale commit",
        hint="two committers would both write plan n: use the pinned pyiceberg and its SQL catalog",
        rows=rows.num_rows,
    )
