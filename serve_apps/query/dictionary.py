"""The data dictionary: views, columns and reasons, from the specs that make them."""

from __future__ import annotations

from typing import Any

from catalog.tables import REASONS
from serve_apps.query.engine.port import Role
from serve_apps.query.roles import grants
from serve_apps.query.views import views


def dictionary(role: Role) -> dict[str, Any]:
    """What this role can ask, as it sees it."""
    grant = grants()[role]
    return {
        "role": role,
        "views": [
            {
                "name": view.name,
                "version": view.version,
                "owner": view.owner,
                "meaning": view.meaning,
                "tables": sorted(view.tables),
                "columns": [
                    {**column._asdict(), "is_masked": column.name in grant.masked}
                    for column in grant.columns(view)
                ],
            }
            for view in map(views().__getitem__, grant.views)
        ],
        "reasons": REASONS,
    }
