"""How much of Trino one role may take: queries at once and queries that wait; and no plans."""

from __future__ import annotations

from typing import Any

from serve_apps.query.access import OWNER

QUERY_CHARACTERS = 100_000
SOURCES = {"door": "beejan", "dashboards": "(?i).*superset.*", "clients": ".*"}
"""What asks as a role, by the name that its client gives: none takes all of the role's turns."""
MOST_ROLES, MOST_ROLE, MOST_SOURCE = 6, 4, 2
"""Queries at once: of all roles, of one, and of one role through one kind of client."""
QUEUED = 50
REFUSED = "explain-is-not-for-roles"
"""Of no query at all; its name is in the message."""


def groups() -> dict[str, Any]:
    """Trino's resource groups. The owner's queries wait for nobody's."""
    sources = [_group(name, MOST_SOURCE) for name in SOURCES]
    role = _group("${USER}", MOST_ROLE) | {"subGroups": sources}
    roles = _group("roles", MOST_ROLES, 4 * QUEUED) | {"subGroups": [role]}
    return {
        "rootGroups": [_group("owner", 20), roles, _group(REFUSED, 0, 0)],
        "selectors": [
            {"user": OWNER, "group": "owner"},
            # A plan tells what a view is made of. EXPLAIN ANALYZE goes by the type of what it runs.
            {"queryType": "EXPLAIN", "group": REFUSED},
            *({"source": source, "group": f"roles.${{USER}}.{name}"} for name, source in SOURCES.items()),
            {"group": "roles.${USER}.clients"},  # of a client that names no source
        ],
    }


def _group(name: str, at_once: int, queued: int = QUEUED) -> dict[str, Any]:
    limits = {"softMemoryLimit": "100%", "hardConcurrencyLimit": at_once, "maxQueued": queued}
    return {"name": name, "schedulingPolicy": "fair", **limits}
