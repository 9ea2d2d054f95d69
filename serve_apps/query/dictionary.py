"""The data dictionary: views, columns and reasons, from the specs that make them."""

from __future__ import annotations

from typing import Any

from catalog.tables import REASONS
from serve_apps.query.engine.port import Role
from serve_apps.query.views import hidden, views


def dictionary(role: Role) -> dict[str, Any]:
    """What can be asked, as this role sees it."""
    masked = hidden(role)
    return {
        "role": role,
        "views": [
            {
                "name": view.name,
                "meaning": view.meaning,
                "tables": sorted(view.tables),
                "columns": [{**each._asdict(), "is_masked": each.name in masked} for each in view.columns],
            }
            for view in views().values()
        ],
        "reasons": REASONS,
    }
