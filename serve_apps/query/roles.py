"""Who may ask what: `roles.toml`, checked against the views."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from functools import cache
from importlib import resources
from typing import Any

import msgspec
import sqlglot
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from catalog.tables import REASONS
from serve_apps.query.engine.port import ROLES, Role
from serve_apps.query.views import View, ViewColumn, versions, views


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
        # Of every version: an older one that is served again shows a role no more than it may see.
        made = (each for name in grant.views for each in versions()[name].values())
        columns = {column.name for view in made for column in view.columns}
        assert grant.masked | grant.hidden <= columns, f"{role}: no such column"
        assert not grant.masked & grant.hidden, f"{role}: a column is masked or hidden"
        assert grant.rows.keys() <= set(grant.views), f"{role}: rows of a view it may not ask"
    return found


def emptied(sql: str, role: Role) -> list[str]:
    """The columns named in a query that are there for the role and always empty: they may decide an answer
    without a word. Nothing of a text that cannot be read, which the engine refuses."""
    try:
        tokens = sqlglot.tokenize(sql, read="trino")
    except SqlglotError:
        return []
    names = {
        token.text.lower() for token in tokens if token.token_type in (TokenType.VAR, TokenType.IDENTIFIER)
    }
    return sorted(names & grants()[role].masked)


def seeing(columns: Collection[str]) -> list[Role]:
    """The roles that find values in these columns."""
    closed = {role: grant.masked | grant.hidden for role, grant in grants().items()}
    return [role for role in ROLES if not closed[role] & set(columns)]


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
