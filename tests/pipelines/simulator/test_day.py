"""A day is the same for the same seed, holds everything in its share, and its truth is true."""

import hashlib
import re
import subprocess
import sys
import tomllib
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from catalog.contracts.reading import Reading
from catalog.contracts.registry import at_door
from catalog.ids import conflict_id, event_id, payload_digest
from pipelines import simulator
from pipelines.simulator.day import L1, day
from pipelines.simulator.payloads import BREAKS, FORM, SHAPES
from pipelines.simulator.sent import Sent
from pipelines.simulator.texts import FRIENDLY
from pipelines.stages.signature import signatures, similarities

DATE = date(2025, 11, 24)
DAY_US = 24 * 3_600_000_000
MIDNIGHT_US = 1_763_938_800_000_000  # 2025-11-24T00:00+01:00
FOLDER = Path(simulator.__file__).parent
RATES = tomllib.loads((FOLDER / "rates.toml").read_text(encoding="utf-8"))
EVENTS = 5_000


@pytest.fixture(scope="module")
def sent() -> list[Sent]:
    return list(day(20, EVENTS, DATE))


@pytest.fixture(scope="module")
def originals(sent: list[Sent]) -> dict[str | None, Sent]:
    """Intact events by id, each as it was sent first."""
    found: dict[str | None, Sent] = {}
    for one in sent:
        if one.truth.broken is None:
            found.setdefault(one.truth.event_id, one)
    return found


@pytest.fixture(scope="module")
def broken() -> list[Sent]:
    return [one for seed in range(4) for one in day(seed, EVENTS, DATE) if one.truth.broken]


def reading(one: Sent) -> Reading:
    found = at_door(one.channel).read(one.payload, one.content_type)
    assert isinstance(found, Reading), (one.channel, one.truth.broken, found)
    return found


def digest(seed: int, events: int, on: date) -> str:
    whole = hashlib.sha256()
    for one in day(seed, events, on):
        whole.update(repr(one).encode("utf-8", "surrogatepass"))
    return whole.hexdigest()


def test_the_same_arguments_give_the_same_bytes_and_others_do_not() -> None:
    first = digest(1, 300, DATE)
    assert digest(1, 300, DATE) == first
    assert len({first, digest(2, 300, DATE), digest(1, 301, DATE), digest(1, 300, date(2025, 11, 25))}) == 4


def test_another_process_gives_the_same_bytes() -> None:
    code = f"from {__name__} import DATE, digest; print(digest(1, 300, DATE))"
    # Another order of sets must not show.
    environment = {"PYTHONHASHSEED": "77", "PYTHONPATH": str(FOLDER.parent.parent)}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == digest(1, 300, DATE)


def test_the_number_and_order_of_events(sent: list[Sent]) -> None:
    times = [one.sent_us for one in sent]
    assert (len(sent), times) == (EVENTS, sorted(times))
    assert MIDNIGHT_US <= times[0] <= times[-1] < MIDNIGHT_US + DAY_US
    assert list(day(1, 0, DATE)) == []


@pytest.mark.parametrize(
    ("what", "low", "high"),
    [
        ("redelivery_of", 0.02, 0.04),
        ("near_duplicate_of", 0.045, 0.075),
        ("same_complaint_of", 0.012, 0.028),
        ("broken", 0.006, 0.02),
        ("burst", 0.07, 0.09),
        ("late", 0.012, 0.03),
        ("garbled", 0.005, 0.018),
    ],
)
def test_rates(sent: list[Sent], what: str, low: float, high: float) -> None:
    hits = sum(bool(getattr(one.truth, what, None)) or what in one.truth.traits for one in sent)
    assert low <= hits / EVENTS <= high


def test_every_channel_source_topic_and_identifier_is_there(sent: list[Sent]) -> None:
    expected = {(name, source) for name in SHAPES for source in RATES["channels"][name]["sources"]}
    assert {(one.channel, one.source) for one in sent} == expected
    assert {one.truth.kind for one in sent} == set(RATES["topics"]) == {*L1, *FRIENDLY, "other"}
    assert {kind for one in sent for kind, _ in one.truth.pii} == {
        "phone", "email", "card", "account", "imei", "name",
    }  # fmt: skip


def test_channels_keep_their_hours(sent: list[Sent]) -> None:
    quiet = [one for one in sent if "burst" not in one.truth.traits]
    hours = {
        name: Counter((one.sent_us - MIDNIGHT_US) // 3_600_000_000 for one in quiet if one.channel == name)
        for name in SHAPES
    }
    assert hours["social"].most_common(1)[0][0] in (19, 20, 21)
    assert hours["web_form"].most_common(1)[0][0] in (11, 12, 13)
    assert sum(hours["call_centre"][hour] for hour in range(8, 18)) > 0.9 * hours["call_centre"].total()
    assert min(hours["sms"][hour] for hour in range(7, 20)) > 0


def test_the_burst_is_one_city_within_its_minutes(sent: list[Sent]) -> None:
    burst = [one for one in sent if "burst" in one.truth.traits and one.truth.redelivery_of is None]
    assert burst[-1].sent_us - burst[0].sent_us <= RATES["burst"]["minutes"] * 60_000_000
    assert {one.truth.kind for one in burst} == {"outage"}
    assert len({one.truth.city for one in burst} - {None}) == 1


def test_intact_payloads_read_as_the_truth_says(sent: list[Sent]) -> None:
    for one in sent:
        truth = one.truth
        if truth.broken is not None:
            continue
        read = reading(one)
        assert (read.event_us, bool(read.text.strip())) == (truth.event_us, True)
        found = at_door(one.channel).identify(one.payload, one.content_type)
        assert found is not None
        assert event_id(one.source, *found) == truth.event_id
        place = f"{read.place.region} {read.place.city} {read.text}".casefold()
        named = (truth.city or truth.region or "").casefold()
        assert named in place


def test_identifiers_stand_where_the_truth_says(sent: list[Sent]) -> None:
    for one in sent:
        if one.truth.broken is None:
            everywhere = f"{reading(one).text} {one.payload.decode()}".casefold()
            assert all(value.casefold() in everywhere for _, value in one.truth.pii)


REASONS = {
    "cut": "payload_unreadable",
    "bad_utf8": "payload_unreadable",
    "id_missing": "id_invalid",
    "text_missing": "text_invalid",
    "text_type": "text_invalid",
    "text_empty": "text_invalid",
    "time_missing": "event_time_invalid",
    "time_type": "event_time_invalid",
    "time_naive": "event_time_naive",
}


def test_broken_payloads_are_broken_as_told(broken: list[Sent]) -> None:
    assert {one.truth.broken for one in broken} == {"id_reused", *BREAKS}
    for one in broken:
        how, found = one.truth.broken, at_door(one.channel).read(one.payload, one.content_type)
        if how == "time_future":
            assert reading(one).event_us == one.truth.event_us > one.sent_us + 2 * DAY_US
        elif how == "id_reused":
            assert reading(one).text
        else:
            assert how is not None
            assert not isinstance(found, Reading)
            assert found.reason == REASONS[how]


def test_redeliveries_are_the_same_bytes_later(sent: list[Sent], originals: dict[str, Sent]) -> None:
    for again in (one for one in sent if one.truth.redelivery_of is not None):
        first = originals[again.truth.redelivery_of or ""]
        assert again.truth.event_id == first.truth.event_id == again.truth.redelivery_of
        assert again[:4] == first[:4]
        assert again.sent_us > first.sent_us


def test_a_reused_id_comes_with_other_bytes(sent: list[Sent], originals: dict[str, Sent]) -> None:
    reused = [one for one in sent if one.truth.broken == "id_reused"]
    assert reused
    for one in reused:
        found = at_door(one.channel).identify(one.payload, one.content_type)
        assert found is not None
        first = originals[event_id(one.source, *found)]
        assert first.payload != one.payload
        assert one.truth.event_id == conflict_id(
            one.source, first.truth.event_id or "", payload_digest(one.payload)
        )


def test_ids_are_unique_but_for_redeliveries(sent: list[Sent]) -> None:
    ids = [one.truth.event_id for one in sent if one.truth.redelivery_of is None and one.truth.event_id]
    assert len(set(ids)) == len(ids)


def test_near_duplicates_are_similar_and_from_other_people(
    sent: list[Sent], originals: dict[str, Sent]
) -> None:
    copies = [one for one in sent if one.truth.near_duplicate_of and one.truth.broken is None]
    firsts = [originals[one.truth.near_duplicate_of or ""] for one in copies]
    texts = [reading(one).text for one in (*copies, *firsts)]
    signed = signatures(texts).signature.to_pylist()
    left, right = np.split(np.frombuffer(b"".join(signed), dtype=np.uint8).reshape(-1, 128), 2)
    assert (similarities(left, right) >= 0.7).mean() >= 0.9
    for copy, first in zip(copies, firsts, strict=True):
        assert copy.truth.complaint_id != first.truth.complaint_id
        assert reading(copy).customer != reading(first).customer


def test_same_complaints_come_from_one_customer_by_two_channels(
    sent: list[Sent], originals: dict[str, Sent]
) -> None:
    for one in sent:
        if one.truth.same_complaint_of and one.truth.broken is None:
            first = originals[one.truth.same_complaint_of]
            assert first.channel != one.channel
            assert first.truth.complaint_id == one.truth.complaint_id
            numbers = [
                {re.sub(r"\D", "", who.value)[-10:] for who in reading(each).customer if who.kind == "msisdn"}
                for each in (one, first)
            ]
            assert numbers[0] == numbers[1] != set()


def test_texts_are_varied(sent: list[Sent]) -> None:
    own = [
        one.truth.broken is None
        and not (one.truth.redelivery_of or one.truth.near_duplicate_of)
        and re.sub(r"\d", "#", reading(one).text.casefold())
        for one in sent
    ]
    texts = [text for text in own if text]
    assert len(set(texts)) > 0.99 * len(texts)


def test_forms_and_json_both_come(sent: list[Sent]) -> None:
    assert {one.content_type == FORM for one in sent if one.channel == "sms"} == {True, False}
    assert {one.content_type == FORM for one in sent if one.channel != "sms"} == {False}


def test_the_truth_never_goes_into_the_payload(sent: list[Sent]) -> None:
    assert not any(b"complaint_id" in one.payload or b"near_duplicate" in one.payload for one in sent)
