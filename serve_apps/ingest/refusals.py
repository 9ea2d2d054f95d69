"""Every way in which the door says no, listed once. A status means one thing, its codes are cases of it.

Whatever was refused was not acknowledged, and the same request may be sent again without fear: an event
that was stored all the same is recognised by its id.
"""

from __future__ import annotations

import math

from serve_apps.problems import INTERNAL, KEY_UNKNOWN, ROLE_DENIED, UNAVAILABLE, Refusal, Refused

STATUSES = {
    400: "the request cannot be read",
    401: "no valid key",
    403: "a valid key that may not do this",
    404: "no such address",
    405: "not with this method",
    409: "this replica acknowledged the same id for other bytes a short time ago; nothing was stored",
    413: "a limit of size was passed",
    415: "of a type, or in a coding, that is not taken here",
    422: "an event that is no JSON object",
    429: "too much at once; send it again after Retry-After seconds",
    500: "a fault of this side; whether anything was stored is not known, so send it again",
    503: "not able to at the moment; send it again after Retry-After seconds",
}


REFUSALS = {
    row.code: row
    for row in (
        Refusal("framing_unreadable", 400, "the body is not what its headers say",
                "send all the bytes Content-Length names; a batch in JSON is one array"),
        Refusal("coding_unreadable", 400, "the body cannot be inflated",
                "one gzip member or zstd frame, whole, with nothing behind it"),
        Refusal("header_invalid", 400, "a header cannot be read",
                "send it once; Idempotency-Key has 1 to 255 visible ASCII characters"),
        Refusal("contract_unknown", 400, "no such contract on this channel",
                "leave the parameter away, or name one that the API's description lists"),
        Refusal("event_id_malformed", 400, "not an event id", "32 lower-case hex digits, from a receipt"),
        KEY_UNKNOWN,
        Refusal("channel_denied", 403, "this key may not send on this channel",
                "ask for a key that names the channel"),
        ROLE_DENIED,
        Refusal("not_found", 404, "no such address", "see /openapi.json and /v1/openapi.json"),
        Refusal("method_not_allowed", 405, "not with this method", "see /openapi.json"),
        Refusal("id_reused", 409, "the id was acknowledged for other bytes",
                "a new event needs a new id; a correction is a new event"),
        Refusal("body_too_large", 413, "the body is too large", "send less at once"),
        Refusal("event_too_large", 413, "an event is too large", "leave attachments away"),
        Refusal("too_many_events", 413, "too many events in one batch", "split the batch"),
        Refusal("nested_too_deep", 413, "an event is nested too deeply", "send it flatter"),
        Refusal("inflates_too_much", 413, "the body inflates beyond the limit", "send less at once"),
        Refusal("type_not_taken", 415, "content of this type is not taken here",
                "name the type in Content-Type; see /openapi.json for those of each address"),
        Refusal("coding_not_taken", 415, "a content coding that is not taken", "gzip, zstd or none"),
        Refusal("not_an_object", 422, "an event is a JSON object",
                "send {…}; a packed body names its Content-Encoding"),
        Refusal("source_too_fast", 429, "this source sends too fast", "wait as long as Retry-After says"),
        Refusal("door_full", 429, "the door holds as much as it can", "wait as long as Retry-After says"),
        INTERNAL,
        Refusal("not_durable", 503, "the event could not be made durable",
                "send it again; nothing was acknowledged"),
        Refusal("keys_unread", 503, "the keys could not be read yet", "send it again"),
        Refusal("draining", 503, "this replica is about to stop", "send it again: another one takes it"),
        UNAVAILABLE,
    )
}  # fmt: skip


def refused(code: str, detail: str = "", retry_s: float = 0.0) -> Refused:
    """What to raise for a refusal; `detail` must not quote what was sent."""
    return Refused(REFUSALS[code], detail, math.ceil(retry_s))
