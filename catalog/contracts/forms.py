"""Form bodies (`application/x-www-form-urlencoded`), read as the JSON object they stand for."""

from __future__ import annotations

from urllib.parse import unquote

import msgspec

FORM = "application/x-www-form-urlencoded"
FIELDS = 64
"""A gateway sends a dozen fields; more than this is no message."""


def is_form(content_type: str) -> bool:
    """Whether a Content-Type header names a form."""
    return content_type.partition(";")[0].strip().lower() == FORM


def to_json(payload: bytes) -> bytes | None:
    """The form as a JSON object of strings; None when it is not UTF-8 or has more than `FIELDS` fields.

    A field that comes twice becomes a list, which no contract accepts in place of a string.
    """
    found: dict[str, str | list[str]] = {}
    try:
        parts = payload.decode().split("&", FIELDS)
        for part in parts if len(parts) <= FIELDS else ():
            name, _, value = part.partition("=")
            name, value = _plain(name), _plain(value)
            if not name:
                continue
            known = found.get(name)
            if known is None:
                found[name] = value
            else:
                found[name] = [known, value] if isinstance(known, str) else [*known, value]
    except UnicodeDecodeError:
        return None
    return msgspec.json.encode(found) if len(parts) <= FIELDS else None


def _plain(part: str) -> str:
    if "+" in part:
        part = part.replace("+", " ")
    return unquote(part, errors="strict") if "%" in part else part
