"""Decisions by example, evidence that points at the words, scores as they are documented."""

import json
import random
from pathlib import Path

import msgspec
import pytest

from catalog.bundle.bundle import Bundle, Rule
from catalog.bundle.folder import default
from pipelines.stages.classify import Class, Classifier

CASES = [
    json.loads(line) for line in (Path(__file__).parent / "cases/classify.jsonl").read_text().splitlines()
]
BUNDLE = default("k1")
CLASSIFIER = Classifier(BUNDLE)


def with_rules(*rules: Rule) -> Bundle:
    return msgspec.structs.replace(BUNDLE, rules=rules)


def rule(name: str, l2: str | None, weight: float, complaint: float = 0.0) -> Rule:
    return Rule(name=name, patterns=(name,), l2=l2, weight=weight, complaint=complaint)


@pytest.mark.parametrize("case", CASES, ids=[case["text"] for case in CASES])
def test_by_example(case: dict[str, object]) -> None:
    (found,) = CLASSIFIER.classify([str(case["text"])])
    assert found.is_complaint == case["complaint"]
    assert found.l2 == case.get("l2", found.l2)


def test_evidence_points_at_words_of_the_text() -> None:
    text = "Ọ̀gá, 😡 network don go here since morning"
    (found,) = CLASSIFIER.classify([text])
    evidence = json.loads(found.evidence)
    spoken = {each["rule"]: text[each["start"] : each["end"]] for each in evidence}
    assert spoken["network-down"] == "network don go"
    assert spoken["angry-face"] == "😡"
    assert {each["l2"] for each in evidence} >= {"outage", None}
    assert "network" not in found.evidence.replace("network-", "")


def test_each_text_is_decided_by_itself() -> None:
    texts = [case["text"] for case in CASES] + [None, ""]
    whole = CLASSIFIER.classify(texts)
    order = random.Random(3).sample(range(len(texts)), len(texts))
    alone = {n: CLASSIFIER.classify([texts[n]]) for n in order}
    assert [[each] for each in whole] == [alone[n] for n in range(len(texts))]


def test_nothing_is_found_in_nothing() -> None:
    none = Class(False, "unclassified", "unclassified", [], 0.0, False, "[]")
    assert CLASSIFIER.classify([None]) == CLASSIFIER.classify(["zzz"]) == [none]
    assert CLASSIFIER.classify([]) == []


@pytest.mark.parametrize(
    ("weights", "l2", "secondary", "confidence"),
    [
        ({"aa": ("speed", 1.0)}, "speed", [], 0.5),
        ({"aa": ("speed", 2.0)}, "speed", [], 0.75),
        ({"aa": ("speed", 0.5)}, "unclassified", [], 0.0),
        ({"aa": ("speed", 3.0), "bb": ("speed", 3.0)}, "speed", [], 0.9375),
        ({"aa": ("speed", 2.0), "bb": ("coverage", 2.0)}, "coverage", ["speed"], 0.375),
        ({"aa": ("speed", 2.0), "bb": ("refund", 1.0)}, "speed", [], 0.5625),
        (
            {"aa": ("speed", 2.0), "bb": ("refund", 1.5), "cc": ("outage", 3.0)},
            "outage",
            ["speed", "refund"],
            0.5833,
        ),
    ],
)
def test_the_score(
    weights: dict[str, tuple[str, float]], l2: str, secondary: list[str], confidence: float
) -> None:
    rules = [rule(name, code, weight) for name, (code, weight) in weights.items()]
    (found,) = Classifier(with_rules(*rules)).classify(["aa bb cc aa"])
    assert (found.l2, found.secondary_l2, found.confidence) == (l2, secondary, confidence)
    l1 = {category.code: category.l1 for category in BUNDLE.taxonomy}
    assert found.l1 == l1.get(l2, "unclassified")


@pytest.mark.parametrize(("praise", "is_complaint"), [(-0.4, True), (-0.6, False)])
def test_praise_speaks_against_a_complaint(praise: float, is_complaint: bool) -> None:
    rules = [rule("aa", "speed", 1.0, complaint=1.5), rule("bb", None, 0.0, complaint=praise)]
    (found,) = Classifier(with_rules(*rules)).classify(["aa bb"])
    assert found.is_complaint == found.needs_review == is_complaint
    assert found.l2 == "speed"
