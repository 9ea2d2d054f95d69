"""Fresh places for a test: databases and a prefix of their own on the real servers."""

from __future__ import annotations

import secrets
from pathlib import Path

from psycopg.sql import SQL, Identifier

from catalog import sql
from catalog.control.migrate import migrate
from catalog.lake.shared import make_catalog
from catalog.objects.s3 import Place
from cluster.places import Places
from cluster.stack import postgres
from cluster.stack.stack import Stack
from cluster.waiting import alone

TEMPLATE = "migrated"
"""The database that others are copies of: catalog and control with all of their tables, and no rows."""


def on_servers(stack: Stack, is_empty: bool = True) -> Places:
    """A new database for catalog and control, with their tables unless it is to be empty, and a new prefix in
    the bucket."""
    name = f"t{secrets.token_hex(6)}"
    _create(stack, name, "template1" if is_empty else _migrated(stack))
    url = _url(stack, name)
    keys, prefix = stack.keys.pipeline, f"s3://{stack.bucket}/{name}"
    objects = Place(prefix, stack.s3_endpoint, stack.region, keys.access_key, keys.secret_key)
    return Places(url, url, objects, f"{prefix}/warehouse")


def _migrated(stack: Stack) -> str:
    with alone(Path(stack.folder, "run", "template.lock")), postgres.connect(stack) as owner:
        if not owner.execute("SELECT FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchall():
            half = f"{TEMPLATE}_{secrets.token_hex(6)}"
            _create(stack, half, "template1")
            make_catalog(_url(stack, half))
            migrate(sql.engine(_url(stack, half)))
            owner.execute(
                SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(half), Identifier(TEMPLATE))
            )
    return TEMPLATE


def _create(stack: Stack, name: str, template: str) -> None:
    with postgres.connect(stack) as owner:
        owner.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))


def _url(stack: Stack, name: str) -> str:
    password = stack.passwords["postgres"]
    return f"postgresql+psycopg://postgres:{password}@{stack.address}:{stack.ports.postgres}/{name}"
