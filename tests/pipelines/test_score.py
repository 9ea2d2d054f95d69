"""A simulated day through the pure stages: what the truth says stood in a text stands in it no more."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date

from catalog.bundle.folder import default
from catalog.bundle.keys import PseudonymKey
from catalog.contracts.registry import at_door
from catalog.envelope import Envelope, Located
from pipelines.flow import Stages
from pipelines.simulator.day import day
from pipelines.simulator.sent import Sent

TAIL = 6
"""So many last digits of a number left standing are a leak."""


def located(number: int, one: Sent) -> Located:
    return Located("day", number, Envelope(
        event_id=f"{number:032x}", id_origin="provider", channel=one.channel, source=one.source,
        received_us=one.sent_us, contract=at_door(one.channel).name, bundle="b",
        content_type=one.content_type, key_id="", payload=one.payload,
    ))  # fmt: skip


def traces(value: str, text: str) -> Iterator[bool]:
    yield value.casefold() in text.casefold()
    number = re.sub(r"\D", "", value)
    if len(number) >= TAIL and not re.search(r"[^\W\d]", value):
        yield number[-TAIL:] in re.sub(r"\D", "", text)


def test_no_identifier_of_a_day_is_left_in_a_text() -> None:
    sent = list(day(11, 3_000, date(2025, 11, 24)))
    stages = Stages(default("k1"), PseudonymKey("k1", b"0" * 32))
    texts = stages.pure([located(*each) for each in enumerate(sent)], frozenset(), {})["text"].to_pylist()
    found, left = Counter[str](), Counter[str]()
    for one, text in zip(sent, texts, strict=True):
        for kind, value in one.truth.pii:
            if kind != "name" and text and one.truth.broken is None:
                found[kind] += 1
                left[kind] += any(traces(value, text))
    assert found.keys() == {"phone", "email", "card", "account", "imei"}
    assert +left == {}
