"""A decision in words: what was decided about one event, by which rules, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from catalog.bundle.bundle import UNCLASSIFIED
from catalog.tables import QUARANTINED, REASONS

Row = Mapping[str, Any]


def explain(event: Row, cluster: Row | None) -> list[str]:
    """Sentences, in the order the decision was made; `event` is a row of the view, with its cluster."""
    decided = (*_disposition(event), *_category(event), *_place(event), *_links(event, cluster))
    return [*_arrival(event), *decided]


def _arrival(event: Row) -> Iterator[str]:
    received = f"received at {event['received_at']:%F %T} UTC"
    yield f"It came through {event['channel']} from {event['source']}, {received}."
    if event["event_time"] is None:
        yield "When it happened cannot be read; it is filed under the date it was received."
    else:
        zone = f" in {event['zone']}" if event["zone"] else ""
        local = f", {event['local_date']}{zone}" if event["local_date"] else ""
        yield f"It happened at {event['event_time']:%F %T} UTC{local}."
    if pii := event.get("pii"):  # not there for every role, nor is the evidence
        yield f"Identifiers were taken out of the text: {_counted(pii)}."


def _disposition(event: Row) -> Iterator[str]:
    if event["disposition"] == QUARANTINED:
        field = f" (field {event['reason_field']})" if event["reason_field"] else ""
        yield f"It is held back: {REASONS.get(event['reason'], event['reason'])}{field}."
    elif event["disposition"] == "duplicate":
        yield f"It is not counted: it reports the same grievance as {event['linked_to']}."
    else:
        yield "It is accepted."
    if event["conflicts_with"]:
        yield f"Its sender used the id of {event['conflicts_with']} again."
    yield f"Plan {event['plan']} decided it, under bundle {event['bundle']} and contract {event['contract']}."


def _category(event: Row) -> Iterator[str]:
    if event["l2"] is None or not _is_judged(event):
        if event["disposition"] == QUARANTINED and event["reason"] != "idempotency_conflict":
            yield "It was not judged: nothing here says whether it is a complaint, and about what."
        return
    if event["is_complaint"] is False:
        yield "It does not read like a complaint."
    rules = sorted({str(each["rule"]) for each in _decoded(event.get("evidence"), list[dict[str, Any]])})
    sure = "" if event["confidence"] is None else f" with confidence {event['confidence']:.2f}"
    by = f", by the rules {', '.join(rules)}" if rules else ", as no rule matched" * ("evidence" in event)
    yield f"Its category is {event['l1']} / {event['l2']}{sure}{by}."
    if event["secondary_l2"]:
        yield f"It is also about {', '.join(event['secondary_l2'])}."
    if event["needs_review"]:
        yield "The rules are not sure enough: a person should look at it."


def _place(event: Row) -> Iterator[str]:
    place = ", ".join(event[part] for part in ("city", "region", "country") if event[part])
    basis = {"field": "the sender named it", "text": "the text names it"}.get(event["place_basis"] or "")
    if place:
        yield f"Its place is {place}" + (f": {basis}." if basis else ".")
    elif event["l2"] is not None and _is_judged(event):
        yield "Neither a field nor the text names a place that is known."


def _is_judged(event: Row) -> bool:
    """What breaks its contract is held back before anything judges its text; its empty findings say nothing.

    An id used again is noticed after the judgement, so that such a row may have a category.
    """
    return event["disposition"] != QUARANTINED or event["l2"] not in (None, UNCLASSIFIED)


def _links(event: Row, cluster: Row | None) -> Iterator[str]:
    if event["link_kind"] == "near_duplicate":
        alike = "" if event["similarity"] is None else f", {event['similarity']:.0%} alike"
        yield f"Its text is nearly that of {event['linked_to']}{alike}."
    if cluster is not None:
        first = " It is the first of them." if event["event_id"] == cluster["representative"] else ""
        yield f"It belongs to cluster {cluster['cluster_id']} of {cluster['members']} complaints.{first}"


def _counted(pii: str) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(_decoded(pii, dict[str, int]).items()))


def _decoded(text: str | None, kind: Any) -> Any:
    try:
        return msgspec.json.decode(text or "", type=kind)
    except msgspec.MsgspecError:
        return kind()
