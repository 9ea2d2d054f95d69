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
    said = explain(PLAIN | {"is_representative": True}, {"cluster_id": "c1", "members": 4})
    assert said[-1] == "It belongs to cluster c1 of 4 events. It is the first of them."
