"""A trial's own databases and prefix on the servers of a stack, named in a file in the trial's folder.

Whoever forks trials keeps no client open: those of object stores have threads, which a fork loses.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

from benchmarks.faults import process
from benchmarks.faults.workload import CLUSTER
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
def ground(stack: Stack, folder: Path) -> Iterator[Places]:
    """New databases and a new prefix, kept in `folder` for `workload.settings`; removed at the end."""
    name = f"faults_{secrets.token_hex(6)}"
    urls = {role: f"{stack.database(role).rpartition('/')[0]}/{name}_{role}" for role in DATABASES}
    keys, url = stack.keys.pipeline, f"s3://{stack.bucket}/{name}"
    objects = Place(url, stack.s3_endpoint, stack.region, keys.access_key, keys.secret_key)
    given = Places(urls["catalog"], urls["control"], objects, f"{url}/warehouse")
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
        process.carry_out(folder, partial(remove, objects))


def owner(stack: Stack) -> psycopg.Connection:
    """A connection that may do everything to every database."""
    return psycopg.connect(
        host=stack.address,
        port=stack.ports.postgres,
        user="postgres",
        password=stack.passwords["postgres"],
        dbname="postgres",
        autocommit=True,
    )


def remove(objects: Place) -> None:
    """Remove everything below a prefix."""
    store = S3(objects)
    keys = [each.key for each in store.list("")]
    for begin in range(0, len(keys), AT_ONCE):
        store.delete(keys[begin : begin + AT_ONCE])
