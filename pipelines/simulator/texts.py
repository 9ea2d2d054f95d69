"""One text: said by the grammar, with facts in it, then spelled the way people spell."""

from __future__ import annotations

import re
from random import Random
from typing import NamedTuple

from pipelines.simulator.grammar import Grammar
from pipelines.simulator.people import Person, Place, identifier

FRIENDLY = frozenset({"praise", "question", "promo", "greeting"})
"""Topics that are no complaints."""
_FIRST_FACT = 0xE000
"""Facts stand in a draft as one private-use character each, so that no misspelling touches them."""
_SPACES = re.compile(r"\s+(?=[.,;!?]|$)|^[\s.,;!:]+|(?<=\s)\s+")
_STOPS = re.compile(r"([.,;!?])(?:\s*[.,;])+")
_MISSPELLED = {"social": 0.6, "sms": 0.7, "web_form": 0.35, "call_centre": 0.45}
_PASSED_ON = ("pls", "🙏🏽", "!!!", "#fixit", "same here", "retweet", "o", "👆🏾", "..", "😭", "true")


class Text(NamedTuple):
    """What was said: `problem` is its core; `pii` (kind, value) and `places` (city, state) it gives away."""

    text: str
    problem: str = ""
    pii: tuple[tuple[str, str], ...] = ()
    places: frozenset[str] = frozenset()


class Draft:
    """The facts one text may use, and which it did."""

    def __init__(self, rng: Random, who: Person, place: Place) -> None:
        self._rng, self._who, self._place = rng, who, place
        self._facts: list[str] = []
        self.pii: list[tuple[str, str]] = []
        self.places: set[str] = set()
        self.problem = ""

    def fact(self, name: str) -> str | None:
        """What stands for a fact; None where `name` is none."""
        if not name.isupper():
            return self.problem if name == "problem" else None
        if name in ("CITY", "CITYTAG", "STATE"):
            value = self._place.state if name == "STATE" else self._place.city
            if name == "CITYTAG" and " " in value:
                return value.replace(" ", "")
            self.places.add("state" if name == "STATE" else "city")
            return self.stand_in(value.lower() if self._rng.random() < 0.2 else value)
        self.pii.append((name.lower(), identifier(self._rng, name.lower(), self._who)))
        return self.stand_in(self.pii[-1][1])

    def stand_in(self, value: str) -> str:
        """A character to be replaced by `value` in the end."""
        self._facts.append(value)
        return chr(_FIRST_FACT + len(self._facts) - 1)

    def filled(self, text: str) -> str:
        """`text` with every stand-in replaced."""
        for i, value in enumerate(self._facts):
            text = text.replace(chr(_FIRST_FACT + i), value)
        return text


class Writer:
    """Writes texts for people of any channel."""

    def __init__(self, rng: Random, grammar: Grammar, abbreviations: dict[str, list[str]]) -> None:
        self._rng, self._grammar, self._abbreviations = rng, grammar, abbreviations

    def write(
        self, topic: str, channel: str, who: Person, place: Place, register: str, problem: Text | None = None
    ) -> Text:
        """A text about `topic`; with `problem`, another telling of that problem by the same person."""
        draft = Draft(self._rng, who, place)
        if problem is None:
            draft.problem = self._grammar.say(topic, register, self._rng.random, draft.fact)
        else:
            draft.problem = draft.stand_in(problem.problem)
            draft.places |= {"city"} if place.city.casefold() in problem.problem.casefold() else set()
        shape = f"shape.{'friendly' if topic in FRIENDLY else channel}"
        text = _tidy(self._grammar.say(shape, register, self._rng.random, draft.fact))
        if self._rng.random() < _MISSPELLED[channel]:
            text = self._misspelled(text)
        text = draft.filled(self._cased(text))
        return Text(text, draft.filled(draft.problem), tuple(draft.pii), frozenset(draft.places))

    def line(self, section: str, who: Person, place: Place) -> Text:
        """One line beside the text: a form's subject, an agent's words."""
        draft = Draft(self._rng, who, place)
        said = _tidy(self._grammar.say(section, "en", self._rng.random, draft.fact))
        return Text(draft.filled(said), places=frozenset(draft.places))

    def copied(self, text: str, handle: str | None) -> str:
        """The text as somebody passes it on, slightly edited; with `handle`, it may be a retweet."""
        if handle is not None and self._rng.random() < 0.5:
            return f"RT @{handle}: {text}"
        words = text.split(" ")
        i = int(self._rng.random() * len(words))
        words[i] += "," if words[i].isalpha() and self._rng.random() < 0.5 else ""
        return f"{' '.join(words)} {self._rng.choice(_PASSED_ON)}"

    def _cased(self, text: str) -> str:
        drawn = self._rng.random()
        if drawn < 0.22:
            return text.lower()
        return text.upper() if drawn > 0.95 else text[:1].upper() + text[1:]

    def _misspelled(self, text: str) -> str:
        words = text.split(" ")
        for _ in range(1 + int(self._rng.random() * len(words) * 0.25)):
            i = int(self._rng.random() * len(words))
            words[i] = self._bent(words[i])
        return " ".join(words)

    def _bent(self, word: str) -> str:
        drawn = self._rng.random()
        if short := self._abbreviations.get(word.lower()):
            return short[int(drawn * len(short))]
        if len(word) < 4 or not word.isascii() or not word.isalpha():
            return word
        i = 1 + int(self._rng.random() * (len(word) - 2))
        ways = (
            word[:i] + word[i + 1] + word[i] + word[i + 2 :],
            word[:i] + word[i + 1 :],
            word[:i] + word[i] * (2 + int(drawn * 12) % 4) + word[i + 1 :],
            word.upper(),
            word.replace("ing", "in").replace("th", "d"),
        )
        return ways[int(drawn * len(ways))]


def _tidy(text: str) -> str:
    return _STOPS.sub(r"\1", _SPACES.sub("", text))


def garbled(text: str) -> str:
    """The text as it looks when its UTF-8 is taken for a Western European code page."""
    text = text.replace("'", "’")
    encoded = (f"{text} …" if text.isascii() else text).encode()
    try:
        return encoded.decode("cp1252")
    except UnicodeDecodeError:
        return encoded.decode("latin-1")
