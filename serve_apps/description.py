"""What both doors' OpenAPI documents say of refusals, made from the registry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from serve_apps.problems import MEDIA_TYPE, Refusal

Json = dict[str, Any]


def problem_schema(codes: Iterable[str]) -> Json:
    """The body of a refusal with one of these codes."""
    return {
        "type": "object",
        "description": "RFC 9457. `code` is stable; `hint` says what the caller can do.",
        "required": ["type", "title", "status", "code"],
        "properties": {
            "status": {"type": "integer"},
            "code": {"type": "string", "enum": list(codes)},
            **{name: {"type": "string"} for name in ("type", "title", "detail", "hint")},
        },
    }


def problem_response(status: int, about: str, cases: Iterable[Refusal]) -> Json:
    """A refusal's answer with an example of each code; `Problem` names its schema."""
    shown = {
        case.code: {"value": {"type": f"/problems/{case.code}", "title": case.title, "status": status,
                              "code": case.code, "hint": case.hint}}
        for case in cases
        if case.status == status
    }  # fmt: skip
    schema = {"$ref": "#/components/schemas/Problem"}
    found: Json = {"description": about, "content": {MEDIA_TYPE: {"schema": schema, "examples": shown}}}
    if status in (429, 503):
        found["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    return found


def refused_with(*statuses: int) -> Json:
    """References to the answers of these statuses."""
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}
