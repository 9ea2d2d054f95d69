"""Every way in which the query side says no, listed once."""

from __future__ import annotations

from serve_apps.problems import INTERNAL, KEY_UNKNOWN, ROLE_DENIED, UNAVAILABLE, Refusal, Refused

REFUSALS = {
    row.code: row
    for row in (
        Refusal(
            "bad_request",
            400,
            "a parameter or the body cannot be read",
            'see /v1/openapi.json; a query is {"sql": …}',
        ),
        KEY_UNKNOWN,
        ROLE_DENIED,
        Refusal("not_committed", 404, "no such event is committed", "it may be pending"),
        Refusal("not_acceptable", 406, "no such form of answer", "Accept JSON, CSV or Arrow"),
        Refusal("body_too_large", 413, "the body is too large", "a query is short"),
        INTERNAL,
        Refusal("keys_unread", 503, "the keys could not be read yet", "send it again"),
    )
}
OF_ENGINE = {
    row.code: row
    for row in (
        Refusal("bad_input", 400, "a query, or a cursor, that is not answered",
                "the answer says what is wrong with it"),
        Refusal("too_large", 400, "the query needs more memory, or its answer more bytes, than it may",
                "read fewer rows or columns"),
        Refusal("too_slow", 400, "the query takes too long", "read fewer rows"),
        Refusal("busy", 503, "too many queries at once", "wait a moment and ask again"),
        UNAVAILABLE,
    )
}  # fmt: skip
"""Errors of the engine keep their own codes. What an answer says of one is closer to its case than this."""


def refused(code: str, detail: str = "") -> Refused:
    """What to raise for a refusal; `detail` must not quote what was sent."""
    return Refused(REFUSALS[code], detail)
