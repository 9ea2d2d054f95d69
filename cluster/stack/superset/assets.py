"""What Superset is given: its connection to Trino, a dataset for each served view, charts and a dashboard.

The charts and the dashboard are files as Superset exports them. The connection is the stack's own, and the
datasets are what the views' contract says: neither can go stale in a file.
"""

from __future__ import annotations

import io
import json
import zipfile
from importlib import resources
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from cluster.stack.stack import TRINO_HOST, Stack
from cluster.stack.superset.server import ADMIN
from serve_apps.query.engine.connection import CATALOG
from serve_apps.query.guard import SERVED
from serve_apps.query.views import View, ViewColumn, views

VERSION = "1.0.0"
ROOT = "beejan"
DATABASE = "databases/lake.yaml"
NAMES = uuid5(NAMESPACE_URL, "beejan/superset")
TIMES = ("date", "timestamp")
MAIN_TIME = ("local_date", "event_time", "processed_at")
"""Of a view's times, the first that it has is the one that its dataset is filtered by."""


def identity(kind: str, name: str) -> UUID:
    """What an asset is known by, in every Superset: charts name their dataset by it."""
    return uuid5(NAMES, f"{kind}/{name}")


def bundle(stack: Stack) -> bytes:
    """A ZIP of everything, as Superset imports it; without the password, which goes beside it."""
    files = {
        "metadata.yaml": _text({"version": VERSION, "type": "assets", "timestamp": "2026-01-01T00:00:00Z"}),
        DATABASE: _text(_database(stack)),
        **{f"datasets/lake/{name}.yaml": _text(_dataset(view)) for name, view in views().items()},
        **shipped(),
    }
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(f"{ROOT}/{name}", text)
    return written.getvalue()


def shipped() -> dict[str, str]:
    """The files of charts and dashboards, by their path in the ZIP."""
    folder = resources.files(__package__) / "assets"
    return {
        f"{kind}/{each.name}": each.read_text("utf-8")
        for kind in ("charts", "dashboards")
        for each in sorted((folder / kind).iterdir(), key=lambda each: each.name)
    }


def _database(stack: Stack) -> dict[str, Any]:
    """Superset's user asks Trino as themselves: the technical user only says who it is."""
    verified = {"http_scheme": "https", "verify": str(stack.certificate)}
    return {
        "database_name": CATALOG,
        "sqlalchemy_uri": f"trino://{ADMIN}:XXXXXXXXXX@{TRINO_HOST}:{stack.ports.trino}/{CATALOG}/{SERVED}",
        "impersonate_user": True,
        "expose_in_sqllab": True,
        "allow_run_async": False,
        "allow_ctas": False,
        "allow_cvas": False,
        "allow_dml": False,
        "allow_file_upload": False,
        "extra": {"engine_params": {"connect_args": verified}, "allows_virtual_table_explore": True},
        "uuid": str(identity("database", CATALOG)),
        "version": VERSION,
    }


def _dataset(view: View) -> dict[str, Any]:
    names = [column.name for column in view.columns]
    return {
        "table_name": view.name,
        "description": view.meaning,
        "catalog": CATALOG,
        "schema": SERVED,
        "main_dttm_col": next((name for name in MAIN_TIME if name in names), None),
        "columns": [_column(column) for column in view.columns],
        "metrics": [{"metric_name": "count", "expression": "COUNT(*)", "verbose_name": "COUNT(*)"}],
        "uuid": str(identity("dataset", view.name)),
        "database_uuid": str(identity("database", CATALOG)),
        "version": VERSION,
    }


def _column(column: ViewColumn) -> dict[str, Any]:
    return {
        "column_name": column.name,
        "description": column.meaning,
        "type": column.type.upper(),
        "is_dttm": column.type.startswith(TIMES),
        "is_active": True,
        "groupby": True,
        "filterable": True,
    }


def _text(document: dict[str, Any]) -> str:
    """JSON is YAML."""
    return json.dumps(document, indent=1)
