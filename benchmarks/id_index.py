"""The exact id index in LMDB and in SQLite: µs per event to look 16-byte ids up and to add them.

    .venv/bin/python -m benchmarks.id_index --ids 200000 --batch 5000

Each batch looks up all of its ids (half of them known) in one read, then adds the new ones in one durable
transaction, as a plan does at most. Prints one JSON document; `commit` is the transaction's end, sync
included, and is part of `put`.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import lmdb

Entries = list[tuple[bytes, bytes]]


class Costs(NamedTuple):
    """Seconds spent."""

    get: float
    put: float
    commit: float


def batches(ids: int, size: int) -> Iterable[tuple[list[bytes], Entries]]:
    """Ids to look up (half of them added before), and new entries."""
    chance = random.Random(1)
    known: list[bytes] = []
    for _ in range(0, ids, size):
        new = [chance.randbytes(16) for _ in range(size)]
        asked = [chance.choice(known or new) if i % 2 else key for i, key in enumerate(new)]
        yield asked, [(key, chance.randbytes(29)) for key in new]
        known.extend(new)


def in_lmdb(folder: Path, ids: int, size: int) -> Costs:
    """One map, keys sorted before they are read or written."""
    get = put = commit = 0.0
    with lmdb.open(str(folder), map_size=1 << 30, readahead=False) as env:
        for asked, new in batches(ids, size):
            started = time.perf_counter()
            with env.begin() as txn, txn.cursor() as cursor:
                dict(cursor.getmulti(sorted(asked)))
            read = time.perf_counter()
            txn = env.begin(write=True)
            with txn.cursor() as cursor:
                cursor.putmulti(sorted(new))
            written = time.perf_counter()
            txn.commit()
            ended = time.perf_counter()
            get, put, commit = get + read - started, put + ended - read, commit + ended - written
    return Costs(get, put, commit)


def in_sqlite(folder: Path, ids: int, size: int) -> Costs:
    """One table without row ids, WAL, synchronous as durable as LMDB's commit."""
    get = put = commit = 0.0
    with closing(sqlite3.connect(folder / "ids.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE ids (id BLOB PRIMARY KEY, entry BLOB NOT NULL) WITHOUT ROWID")
        for asked, new in batches(ids, size):
            started = time.perf_counter()
            connection.execute("BEGIN")
            find = "SELECT entry FROM ids WHERE id = ?"
            for key in sorted(asked):
                connection.execute(find, (key,)).fetchone()
            connection.execute("COMMIT")
            read = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO ids VALUES (?, ?)", sorted(new))
            written = time.perf_counter()
            connection.execute("COMMIT")
            ended = time.perf_counter()
            get, put, commit = get + read - started, put + ended - read, commit + ended - written
    return Costs(get, put, commit)


def measure(ids: int, size: int) -> dict[str, object]:
    """µs per event of each store, in a new temporary folder."""
    stores: dict[str, Callable[[Path, int, int], Costs]] = {"lmdb": in_lmdb, "sqlite": in_sqlite}
    found: dict[str, object] = {"ids": ids, "batch": size}
    for name, store in stores.items():
        with tempfile.TemporaryDirectory() as folder:
            costs = store(Path(folder), ids, size)
        found[name] = {f"{step}_us": round(cost * 1e6 / ids, 2) for step, cost in costs._asdict().items()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of the id index in LMDB and in SQLite.")
    parser.add_argument("--ids", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=5_000)
    options = parser.parse_args()
    print(json.dumps(measure(options.ids, options.batch)))


if __name__ == "__main__":
    main()
