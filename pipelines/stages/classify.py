"""What a complaint is about, by rules that people can read, with the words that speak for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from catalog.bundle.bundle import UNCLASSIFIED, Bundle, Rule
from catalog.bundle.patterns import Phrases


class Class(NamedTuple):
    """What is decided of one text; a null text is no complaint and unclassified.

    `confidence` is 0 to 1, and 0 where unclassified. `evidence` is JSON: for every rule that spoke its
    name, its `l2` (null for a rule about complaining itself) and `start` and `end` in characters.
    """

    is_complaint: bool
    l1: str
    l2: str
    secondary_l2: list[str]
    confidence: float
    needs_review: bool
    evidence: str


_NONE = Class(False, UNCLASSIFIED, UNCLASSIFIED, [], 0.0, False, "[]")


class Classifier:
    """The rules of a bundle, compiled. One instance serves one thread at a time."""

    def __init__(self, bundle: Bundle) -> None:
        self._settings = bundle.settings
        self._rules = [rule for rule in bundle.rules for _ in rule.patterns]
        self._phrases = Phrases([pattern for rule in bundle.rules for pattern in rule.patterns])
        self._l1 = {category.code: category.l1 for category in bundle.taxonomy}
        self._rank = {category.code: rank for rank, category in enumerate(bundle.taxonomy)}

    def classify(self, texts: Sequence[str | None]) -> list[Class]:
        """Decide each text by itself, in order."""
        return [self._decide(text) if text else _NONE for text in texts]

    def _decide(self, text: str) -> Class:
        spoken: dict[str, tuple[Rule, int, int]] = {}
        for pattern, start, end in self._phrases.find(text):
            rule = self._rules[pattern]
            spoken.setdefault(rule.name, (rule, start, end))
        if not spoken:
            return _NONE
        is_complaint = sum(rule.complaint for rule, _, _ in spoken.values()) >= self._settings.complaint_from
        ranked = self._ranked([rule for rule, _, _ in spoken.values()])
        l2, secondary, confidence = self._label(ranked)
        evidence = [
            {"rule": rule.name, "l2": rule.l2, "start": start, "end": end}
            for rule, start, end in spoken.values()
        ]
        return Class(
            is_complaint=is_complaint,
            l1=self._l1.get(l2, UNCLASSIFIED),
            l2=l2,
            secondary_l2=secondary,
            confidence=confidence,
            needs_review=is_complaint and confidence < self._settings.review_below,
            evidence=msgspec.json.encode(evidence).decode(),
        )

    def _ranked(self, rules: list[Rule]) -> list[tuple[float, str]]:
        """(score, category), the best first; of equal ones the first in the taxonomy."""
        scores: dict[str, float] = defaultdict(float)
        for rule in rules:
            if rule.l2 is not None:
                scores[rule.l2] += rule.weight
        cap = self._settings.weight_cap
        return sorted(
            ((min(score, cap), l2) for l2, score in scores.items()),
            key=lambda pair: (-pair[0], self._rank[pair[1]]),
        )

    def _label(self, ranked: list[tuple[float, str]]) -> tuple[str, list[str], float]:
        """Category, further categories, and confidence: (1 - 2^-best) less up to half for a near rival.

        With weights in steps of about one, the first factor says how much speaks for the best category
        (0.5 at 1, 0.75 at 2, 0.94 at 4), the second how far ahead it is (0.5 at a tie, 1 without a rival).
        """
        if not ranked or ranked[0][0] < self._settings.label_from:
            return UNCLASSIFIED, [], 0.0
        (best, l2), *others = ranked
        rival = others[0][0] if others else 0.0
        secondary = [code for score, code in others if score >= self._settings.secondary_from]
        return l2, secondary, round((1 - 2.0**-best) * (1 - rival / best / 2), 4)
