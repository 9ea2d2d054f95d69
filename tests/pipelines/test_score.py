"""A score counts what was decided against what is true."""

from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from pipelines.score import COLUMNS, Ratio, score, table
from pipelines.simulator.day import day
from pipelines.simulator.sent import Truth


def truth(event_id: str | None, **known: Any) -> Truth:
    given: dict[str, Any] = {
        "complaint_id": f"c-{event_id}", "kind": "speed", "l1": "network", "l2": "speed", "region": "Lagos",
        "city": None, "event_us": 0, "is_complaint": True,
    }  # fmt: skip
    return Truth(event_id=event_id, **{**given, **known})


def rows(*decided: dict[str, Any]) -> pa.Table:
    given = {
        "disposition": "accepted", "text": "slow", "is_complaint": True, "l1": "network", "l2": "speed",
        "region": "Lagos", "linked_to": None,
    }  # fmt: skip
    return pa.Table.from_pylist([{**given, **row} for row in decided]).select(COLUMNS)


def disposition(true: Truth) -> str:
    if true.broken:
        return "quarantined"
    return "duplicate" if true.same_complaint_of else "accepted"


def test_labels_and_places() -> None:
    found = score(
        [truth("a"), truth("b", l2="outage"), truth("c", region=None), truth("d"), truth(None)],
        rows(
            {"event_id": "a"}, {"event_id": "b"}, {"event_id": "c", "region": "Kano", "is_complaint": False}
        ),
    )
    assert (found.matched, found.l2, found.region) == (Ratio(3, 4), Ratio(2, 3), Ratio(2, 3))
    assert found.is_complaint == Ratio(2, 3)
    assert found.confusion == {("speed", "speed"): 2, ("outage", "speed"): 1}
    assert "2/3 = 66.7%" in table(found)


def test_quarantine() -> None:
    found = score(
        [truth("a", broken="cut"), truth("b", broken="time_future"), truth("c")],
        rows(
            {"event_id": "a", "disposition": "quarantined"},
            {"event_id": "b"},
            {"event_id": "c", "disposition": "quarantined"},
        ),
    )
    assert (found.quarantine_recall, found.quarantine_precision) == (Ratio(1, 2), Ratio(1, 2))
    assert found.l2 == Ratio(0, 0)


def test_links() -> None:
    found = score(
        [
            truth("a"),
            truth("copy", near_duplicate_of="a"),
            truth("second copy", near_duplicate_of="a"),
            truth("missed", near_duplicate_of="a"),
            truth("stranger"),
            truth("again", same_complaint_of="a"),
            truth("again unseen", same_complaint_of="a"),
            truth("copy", near_duplicate_of="a", redelivery_of="copy"),
        ],
        rows(
            {"event_id": "a"},
            {"event_id": "copy", "linked_to": "a"},
            {"event_id": "second copy", "linked_to": "copy"},
            {"event_id": "missed"},
            {"event_id": "stranger", "linked_to": "a"},
            {"event_id": "again", "linked_to": "a", "disposition": "duplicate"},
            {"event_id": "again unseen"},
        ),
    )
    assert (found.link_precision, found.link_recall) == (Ratio(2, 3), Ratio(2, 3))
    assert (found.repeated_precision, found.repeated_recall) == (Ratio(1, 1), Ratio(1, 2))


@pytest.mark.parametrize(
    ("kind", "value", "text", "leaked"),
    [
        ("phone", "0803 123 4567", "call <PHONE>", 0),
        ("phone", "0803 123 4567", "call 0803 123 4567", 1),
        ("phone", "0803 123 4567", "call 08031234567", 1),
        ("phone", "0803 123 4567", "call <PHONE>234567", 1),
        ("email", "ada.obi12@mail.example", "mail ADA.OBI12@mail.example", 1),
        ("email", "ada.obi12@mail.example", "mail <EMAIL>", 0),
        ("name", "Ada Obi", None, 0),
    ],
)
def test_leaks(kind: str, value: str, text: str | None, leaked: int) -> None:
    found = score([truth("a", pii=((kind, value),))], rows({"event_id": "a", "text": text}))
    assert found.leaks == {kind: Ratio(leaked, 1)}


def test_a_run_that_decides_as_the_truth_says_scores_in_full() -> None:
    sent = list(day(11, 3_000, date(2025, 11, 24)))
    decided = [
        {
            "event_id": one.truth.event_id,
            "disposition": disposition(one.truth),
            "text": "<TEXT>",
            "is_complaint": one.truth.is_complaint,
            "l1": one.truth.l1,
            "l2": one.truth.l2,
            "region": one.truth.region,
            "linked_to": one.truth.near_duplicate_of or one.truth.same_complaint_of,
        }
        for one in sent
        if one.truth.event_id and one.truth.redelivery_of is None
    ]
    found = score((one.truth for one in sent), rows(*decided))
    ratios = [value for value in found if isinstance(value, Ratio)]
    assert len(ratios) == 11
    assert all(ratio.hits == ratio.of > 0 for ratio in ratios)
    assert all(leaked.hits == 0 < leaked.of for leaked in found.leaks.values())
