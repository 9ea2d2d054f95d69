"""The registry of every version of every served view: `python -m tests.contracts` adds what is new to it.

What is in it is not changed any more: a view that is to be otherwise gets a new version.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from serve_apps.query.views import View, versions

REGISTRY = Path(__file__).with_suffix(".json")


def contract(view: View) -> dict[str, Any]:
    """What a version promises, and the digest of how it keeps it."""
    return {
        "owner": view.owner,
        "meaning": view.meaning,
        "sha256": hashlib.sha256(view.sql.encode()).hexdigest(),
        "columns": {
            each.name: each.type + ("" if each.is_nullable else " not null") for each in view.columns
        },
    }


def contracts() -> dict[str, dict[str, Any]]:
    """By name and version."""
    return {
        name: {str(number): contract(view) for number, view in made.items()}
        for name, made in versions().items()
    }


def registered() -> dict[str, dict[str, Any]]:
    """As the registry has them."""
    found: dict[str, dict[str, Any]] = msgspec.json.decode(REGISTRY.read_bytes())
    return found


if __name__ == "__main__":
    known = registered() if REGISTRY.exists() else {}
    merged = {name: made | known.get(name, {}) for name, made in contracts().items()}
    REGISTRY.write_bytes(msgspec.json.format(msgspec.json.encode(merged), indent=1) + b"\n")
