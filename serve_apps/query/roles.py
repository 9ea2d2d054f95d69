"""Who may ask what: `roles.toml`, checked against the views."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from catalog.tables import REASONS
from serve_apps.query.engine.port import ROLES, Role
from serve_apps.query.views import View, ViewColumn, views


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one role may ask. `rows` holds a condition for each view whose rows it may not all see."""

    why: str
    views: tuple[str, ...]
    masked: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    rows: dict[str, str] = {}
    originals: bool = False

    def columns(self, view: View) -> tuple[ViewColumn, ...]:
        """The columns of a view that are there for the role, masked ones too."""
        return tuple(column for column in view.columns if column.name not in self.hidden)


@cache
def grants() -> dict[Role, Grant]:
    """Every role that may ask, and what."""
    text = (resources.files(__package__) / "roles.toml").read_text("utf-8")
    found = msgspec.convert(tomllib.loads(text), dict[Role, Grant])
    assert tuple(found) == ROLES, "every role has a grant"
    for role, grant in found.items():
        columns = {column.name for name in grant.views for column in views()[name].columns}
        assert grant.masked | grant.hidden <= columns, f"{role}: no such column"
        assert not grant.masked & grant.hidden, f"{role}: a column is masked or hidden"
        assert grant.rows.keys() <= set(grant.views), f"{role}: rows of a view it may not ask"
    return found


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
