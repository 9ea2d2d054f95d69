"""The SQL server's own rules, generated from the same grants: what its file-based access control reads.

Every section is written, since one that is missing allows. In each, the first rule that fits decides.
"""

from __future__ import annotations

from typing import Any

import msgspec

from serve_apps.query.engine.connection import CATALOG
from serve_apps.query.guard import SERVED
from serve_apps.query.roles import Grant, grants
from serve_apps.query.views import View, views

OWNER = "pipeline"
"""Makes the views and maintains the tables; the only user who sees more than views."""
ACTS_FOR = {"superset": ("analyst", "operations", "finance")}
"""Technical users, and as whom each may ask. Not as compliance: what it sees is for no dashboard."""
OWNED = ("SELECT", "INSERT", "DELETE", "UPDATE", "OWNERSHIP", "GRANT_SELECT")
CLIENTS = {"jdbc": ".*", "metadata": "table_comments|materialized_views"}
"""What SQL clients look into to list views and columns; its answers are filtered by these rules too."""
SETTABLE = "query_max_run_time"
"""The one session property that those who ask may set: it ends their own queries."""

Rule = dict[str, Any]


def document() -> bytes:
    """The rules as the server's file."""
    return msgspec.json.format(msgspec.json.encode(rules()), indent=1)


def rules() -> dict[str, list[Rule]]:
    """Every section."""
    asking, technical = "|".join(grants()), "|".join(ACTS_FOR)
    return {
        "catalogs": [
            {"user": OWNER, "catalog": f"{CATALOG}|system", "allow": "all"},
            {"user": asking, "catalog": f"{CATALOG}|system", "allow": "read-only"},
            # It asks which catalogs there are when it is told of a connection; of tables it sees none.
            {"user": technical, "catalog": CATALOG, "allow": "read-only"},
            {"allow": "none"},
        ],
        "schemas": [{"user": OWNER, "catalog": CATALOG, "owner": True}, {"owner": False}],
        "tables": _tables(asking),
        "functions": [
            # First: a table function of the lake gives a table's rows as if no rule were on it.
            {"catalog": CATALOG, "schema": "system", "function": ".*", "privileges": []},
            {"user": OWNER, **_BUILTIN, "privileges": ["EXECUTE", "GRANT_EXECUTE"]},
            {"user": asking, **_BUILTIN, "privileges": ["EXECUTE"]},
            {"privileges": []},
        ],
        "procedures": [{"user": OWNER, "privileges": ["EXECUTE"]}, {"privileges": []}],
        "system_session_properties": [
            {"user": OWNER, "allow": True},
            {"user": asking, "property": SETTABLE, "allow": True},
            {"allow": False},
        ],
        "catalog_session_properties": [{"user": OWNER, "catalog": CATALOG, "allow": True}, {"allow": False}],
        "queries": [
            {"user": OWNER, "allow": ["execute", "kill", "view"]},
            {"user": f"{asking}|{technical}", "allow": ["execute"]},
            {"allow": []},
        ],
        "impersonation": [
            *(
                {"original_user": user, "new_user": "|".join(roles), "allow": True}
                for user, roles in ACTS_FOR.items()
            ),
            {"original_user": ".*", "new_user": ".*", "allow": False},
        ],
        "authorization": [{"original_user": ".*", "new_user": ".*", "allow": False}],
        "system_information": [{"user": OWNER, "allow": ["read", "write"]}, {"allow": []}],
    }


_BUILTIN = {"catalog": "system", "schema": "builtin", "function": ".*"}


def _tables(asking: str) -> list[Rule]:
    granted = [
        _granted(role, grant, views()[name]) for role, grant in grants().items() for name in grant.views
    ]
    system = [
        {"user": asking, "catalog": "system", "schema": schema, "table": table, "privileges": ["SELECT"]}
        for schema, table in CLIENTS.items()
    ]
    return [
        {"user": OWNER, "catalog": CATALOG, "privileges": list(OWNED)},
        {"user": OWNER, "catalog": "system", "privileges": ["SELECT"]},
        # What a table says of its files and history, which no mask covers.
        {"catalog": CATALOG, "table": r".*\$.*", "privileges": []},
        *granted,
        *system,
        {"privileges": []},
    ]


def _granted(role: str, grant: Grant, view: View) -> Rule:
    rows = {"filter": grant.rows[view.name]} if view.name in grant.rows else {}
    masked = [
        {"name": column.name, "mask": f"CAST(NULL AS {column.type})"}
        for column in grant.columns(view)
        if column.name in grant.masked
    ]
    # A name the view lacks may come back with another version of it: it stays closed.
    hidden = [{"name": name, "allow": False} for name in sorted(grant.hidden)]
    return {
        "user": role,
        "catalog": CATALOG,
        "schema": SERVED,
        "table": view.name,
        "privileges": ["SELECT"],
        "columns": masked + hidden,
        **rows,
    }
