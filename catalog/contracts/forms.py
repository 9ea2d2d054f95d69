"""Form bodies (`application/x-www-form-urlencoded`), read as the JSON object they stand for."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

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
    parts = payload.replace(b"+", b" ").split(b"&", FIELDS)
    if len(parts) > FIELDS:
        return None
    found: dict[str, str | list[str]] = {}
    try:
        for part in parts:
            written, _, rest = part.partition(b"=")
            name = (unquote_to_bytes(written) if b"%" in written else written).decode()
            value = (unquote_to_bytes(rest) if b"%" in rest else rest).decode()
            if name in found:
                known = found[name]
                found[name] = [known, value] if isinstance(known, str) else [*known, value]
            else:
                found[name] = value
    except UnicodeDecodeError:
        return None
    found.pop("", None)
    return msgspec.json.encode(found)
