from typing import Any

import pytest

from serve_apps.query.explain import explain
from serve_apps.query.views import views
from tests.serve_apps.query.lakes import event

PLAIN = {column.name: None for column in views()["events"].columns} | event(1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Its category is network / outage with confidence 0.75, by the rules no_network."),
        ({"evidence": None}, "Its category is network / outage with confidence 0.75, as no rule matched."),
        ({"evidence": "torn"}, "Its category is network / outage with confidence 0.75, as no rule matched."),
        ({"needs_review": True}, "The rules are not sure enough: a person should look at it."),
        ({"is_complaint": False}, "It does not read like a complaint."),
        ({"place_basis": "text"}, "Its place is Lagos, NG: the text names it."),
        ({"region": None, "country": None}, "Neither a field nor the text names a place that is known."),
        ({"pii": '{"phone":2,"card":1}'}, "Identifiers were taken out of the text: 1 card, 2 phone."),
        (
            {"event_time": None},
            "When it happened cannot be read; it is filed under the date it was received.",
        ),
        (
            {"disposition": "quarantined", "reason": "id_invalid", "reason_field": "$.id"},
            "It is held back: the payload's id is missing or not a non-empty string (field $.id).",
        ),
        (
            {"disposition": "duplicate", "linked_to": "e0"},
            "It is not counted: it reports the same grievance as e0.",
        ),
        (
            {"link_kind": "near_duplicate", "linked_to": "e0", "similarity": 0.876},
            "Its text is nearly that of e0, 88% alike.",
        ),
    ],
)
def test_says_why(given: dict[str, Any], said: str) -> None:
    assert said in explain(PLAIN | given, None)


def test_says_what_it_belongs_to() -> None:
    cluster = {"cluster_id": "c1", "members": 4, "representative": PLAIN["event_id"]}
    said = [explain(PLAIN, cluster | more)[-1] for more in ({}, {"representative": "another"})]
    assert said[0] == "It belongs to cluster c1 of 4 complaints. It is the first of them."
    assert said[1] == "It belongs to cluster c1 of 4 complaints."


NOT_FOUND = {"is_complaint": False, "l1": "unclassified", "l2": "unclassified", "confidence": 0.0}
"""What the flow writes for a text that it did not judge."""
NO_PLACE = {"country": None, "region": None}


@pytest.mark.parametrize("reason", ["event_time_naive", "stage_crash", "id_invalid"])
def test_what_was_held_back_unjudged_is_not_called_no_complaint(reason: str) -> None:
    held = {"disposition": "quarantined", "reason": reason, "evidence": "[]"}
    said = explain(PLAIN | NOT_FOUND | NO_PLACE | held, None)
    assert said[-1] == "It was not judged: nothing here says whether it is a complaint, and about what."
    assert not any(word in each for each in said for word in ("read like", "category", "Neither"))


def test_an_id_used_again_was_judged_and_keeps_its_category() -> None:
    said = explain(PLAIN | {"disposition": "quarantined", "reason": "idempotency_conflict"}, None)
    assert "Its category is network / outage with confidence 0.75, by the rules no_network." in said
