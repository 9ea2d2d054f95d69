"""The query application's description: what the framework knows of its routes, and every way they say no."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from catalog.errors import BeejanError
from serve_apps.credentials import SCHEMES, SECURITY
from serve_apps.description import problem_response, problem_schema
from serve_apps.problems import refusals

STATUSES = {
    400: "the request cannot be read, or the query is not answered",
    401: "no valid key",
    403: "a valid key that may not do this",
    404: "no such address, or no such event",
    405: "not with this method",
    406: "no such form of answer",
    413: "the body is too large",
    429: "too much at once; ask again after Retry-After seconds",
    500: "a fault of this side",
    503: "not able to at the moment; ask again after Retry-After seconds",
}
KNOWN = (400, 401, 403, 500, 503)
"""What any address with a key may answer."""


def describe(app: FastAPI) -> dict[str, Any]:
    """The whole description, as JSON values."""
    found = get_openapi(
        title=app.title, version=app.version, openapi_version=app.openapi_version,
        description=app.description, routes=app.routes,
    )  # fmt: skip
    said = {**refusals("engine"), **refusals("query")}
    components = found.setdefault("components", {})
    schemas = {
        name: schema
        for name, schema in components.get("schemas", {}).items()
        if name not in ("HTTPValidationError", "ValidationError")  # never answered: see `problems.unreadable`
    }
    # Whatever else fails behind the application is told by its own code.
    codes = dict.fromkeys((*said, *sorted(each.code for each in _subclasses(BeejanError))))
    components["schemas"] = schemas | {"Problem": problem_schema(codes)}
    components["securitySchemes"] = SCHEMES
    components["responses"] = {
        str(status): problem_response(status, about, said.values()) for status, about in STATUSES.items()
    }
    for operations in found["paths"].values():
        for operation in operations.values():
            operation["security"] = SECURITY
            operation["responses"].pop("422", None)
    return found


def _subclasses(kind: type[BeejanError]) -> Iterator[type[BeejanError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)
