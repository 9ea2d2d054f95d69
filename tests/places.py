"""Fresh places for a test: databases and a prefix of their own on the real servers."""

from __future__ import annotations

import secrets

import psycopg
from psycopg.sql import SQL, Identifier

from catalog.objects.s3 import Place
from cluster.places import Places
from cluster.stack.stack import Stack


def on_servers(stack: Stack) -> Places:
    """A new database for catalog and control, and a new prefix in the bucket."""
    name = f"t{secrets.token_hex(6)}"
    address, password = f"{stack.address}:{stack.ports.postgres}", stack.passwords["postgres"]
    with psycopg.connect(f"postgresql://postgres:{password}@{address}/postgres", autocommit=True) as owner:
        owner.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    url = f"postgresql+psycopg://postgres:{password}@{address}/{name}"
    keys, prefix = stack.keys.pipeline, f"s3://{stack.bucket}/{name}"
    objects = Place(prefix, stack.s3_endpoint, stack.region, keys.access_key, keys.secret_key)
    return Places(url, url, objects, f"{prefix}/warehouse")
