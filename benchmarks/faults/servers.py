"""A trial's own databases and prefix on the servers of a stack, named in a file in the trial's folder.

Whoever forks trials keeps no client open: those of object stores have threads, which a fork loses.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import psycopg
from psycopg.sql import SQL, Identifier

from benchmarks.faults import process
from benchmarks.faults.workload import CLUSTER
from catalog.errors import BadInput
from catalog.objects.s3 import S3, Place
from cluster import places
from cluster.places import Places
from cluster.settings import read
from cluster.stack.stack import DATABASES, Stack

AT_ONCE = 1000
"""Objects that one request removes."""


def started() -> Stack:
    """The stack that BEEJAN_STACK names, started when it does not run; by another process, see above."""
    subprocess.run([sys.executable, "-m", "cluster.cli", "stack", "up"], check=True, stdout=sys.stderr)
    return Stack.open(read().stack)


@contextmanager
def ground(stack: Stack, folder: Path, on_trino: bool = False) -> Iterator[Places]:
    """New databases and a new prefix, named in `folder` for `workload.settings`; removed at the end.

    `on_trino`, the tables are in the catalog that Trino reads, one trial at a time, and their files where it
    may write. Raises BadInput when somebody's tables are there.
    """
    name = f"faults_{secrets.token_hex(6)}"
    urls = {role: f"{stack.database(role).rpartition('/')[0]}/{name}_{role}" for role in DATABASES}
    keys, url = stack.keys.pipeline, f"s3://{stack.bucket}/{name}"
    objects = Place(url, stack.s3_endpoint, stack.region, keys.access_key, keys.secret_key)
    given = Places(urls["catalog"], urls["control"], objects, f"{url}/warehouse")
    if on_trino:
        given = msgspec.structs.replace(
            given,
            catalog_url=stack.database("catalog"),
            warehouse=f"{stack.views}/{name}/warehouse",
            trino=places.of_stack(stack).trino,
        )
        with owner(stack, "catalog") as connection:
            if connection.execute("SELECT FROM iceberg_tables").fetchall():
                raise BadInput("Trino's catalog is not empty", hint="use a stack of your own")
    with owner(stack) as connection:
        for role in DATABASES:
            made = SQL("CREATE DATABASE {} OWNER {}")
            connection.execute(made.format(Identifier(f"{name}_{role}"), Identifier(role)))
    places.write(given, folder / CLUSTER)
    try:
        yield given
    finally:
        with owner(stack) as connection:
            for role in DATABASES:
                dropped = SQL("DROP DATABASE {} WITH (FORCE)")
                connection.execute(dropped.format(Identifier(f"{name}_{role}")))
        if on_trino:
            with owner(stack, "catalog") as connection:
                connection.execute("TRUNCATE iceberg_tables, iceberg_namespace_properties")
        process.carry_out(folder, partial(_remove, given))


def owner(stack: Stack, database: str = "postgres") -> psycopg.Connection:
    """A connection that may do everything to every database."""
    return psycopg.connect(
        host=stack.address,
        port=stack.ports.postgres,
        user="postgres",
        password=stack.passwords["postgres"],
        dbname=database,
        autocommit=True,
    )


def _remove(given: Places) -> None:
    """Remove every object of a trial."""
    for place in (given.objects, replace(given.objects, url=given.warehouse)):
        store = S3(place)
        keys = [each.key for each in store.list("")]
        for begin in range(0, len(keys), AT_ONCE):
            store.delete(keys[begin : begin + AT_ONCE])
