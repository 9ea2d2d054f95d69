"""Places by example; each text by itself; and the shipped list knows what its countries are made of."""

import json
from collections import Counter
from pathlib import Path

import pytest

from catalog.bundle.folder import default
from catalog.contracts.reading import Place
from pipelines.stages.enrich import Found, Gazetteer

CASES = [json.loads(line) for line in (Path(__file__).parent / "cases/enrich.jsonl").read_text().splitlines()]
BUNDLE = default("k1")
GAZETTEER = Gazetteer(BUNDLE)


@pytest.mark.parametrize("case", CASES, ids=[case["text"] for case in CASES])
def test_by_example(case: dict[str, object]) -> None:
    sent = case.get("sent", {})
    assert isinstance(sent, dict)
    (found,) = GAZETTEER.enrich([str(case["text"])], [Place(**sent)])
    assert list(found) == case["place"]


def test_each_text_is_placed_by_itself() -> None:
    texts = [case["text"] for case in CASES]
    hints = [Place(**case.get("sent", {})) for case in CASES]
    assert GAZETTEER.enrich(texts, hints) == [tuple(case["place"]) for case in CASES]
    assert GAZETTEER.enrich([], []) == []
    assert GAZETTEER.enrich([None], [Place()]) == [Found()] == [(None, None, None, None)]


def test_every_spelling_finds_its_place() -> None:
    for place in BUNDLE.places:
        for spelling in place.spellings:
            text = f"there is none in {spelling.text[:1].upper()}{spelling.text[1:]} now"
            (found,) = GAZETTEER.enrich([text], [Place()])
            assert found[:3] == (place.country, place.region, place.city)


def test_countries_and_regions() -> None:
    regions = Counter(place.country for place in BUNDLE.places if place.region and not place.city)
    assert regions == {"NG": 37, "KE": 47, "GB": 12}
