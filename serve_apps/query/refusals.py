"""Every way in which the query side says no, listed once; errors of the engine keep their own codes."""

from __future__ import annotations

from serve_apps.problems import INTERNAL, Refusal, Refused

REFUSALS = {
    row.code: row
    for row in (
        Refusal(
            "bad_request",
            400,
            "a parameter or the body cannot be read",
            'see /v1/openapi.json; a query is {"sql": …}',
        ),
        Refusal(
            "no_key",
            401,
            "a key for asking is needed",
            "an ingest key cannot ask: `beejan keys create NAME --role analyst`",
        ),
        Refusal("role_forbidden", 403, "this key may not see original text", "ask for a compliance key"),
        Refusal("not_committed", 404, "no such event is committed", "it may be pending"),
        Refusal("not_acceptable", 406, "no such form of answer", "Accept JSON, CSV or Arrow"),
        Refusal("body_too_large", 413, "the body is too large", "a query is short"),
        INTERNAL,
        Refusal("keys_unread", 503, "the keys could not be read yet", "send it again"),
    )
}


def refused(code: str, detail: str = "") -> Refused:
    """What to raise for a refusal; `detail` must not quote what was sent."""
    return Refused(REFUSALS[code], detail)
