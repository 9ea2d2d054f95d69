"""Where a complaint belongs: what its sender said in a field, else the places its text names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from catalog.bundle.bundle import Bundle, PlaceName, Spelling
from catalog.bundle.patterns import BadPattern, folded, words
from catalog.contracts.reading import Place
from catalog.errors import BadInput

Basis = Literal["field", "text"]

_CUE = re.compile(
    r"\b(?:in|at|for|around|from|near|inside|within|to|of|outside|across|throughout|na|here)\s+(?:the\s+)?$",
    re.IGNORECASE,
)
_BEFORE = 16
"""Characters looked at before a name."""


class Found(NamedTuple):
    """Where one complaint belongs: ISO code, names as in the bundle, and where the region is known from.

    A name the bundle does not know is kept as it was sent. All is null where nothing is known.
    """

    country: str | None = None
    region: str | None = None
    city: str | None = None
    place_basis: Basis | None = None


class _Named(NamedTuple):
    start: int
    end: int
    place: PlaceName


class Gazetteer:
    """The places of a bundle. One instance serves one thread at a time."""

    def __init__(self, bundle: Bundle) -> None:
        """Raises BadInput for a spelling that cannot be looked for."""
        self._spellings = [(place, spelling) for place in bundle.places for spelling in place.spellings]
        try:
            self._words = words(tuple(spelling.text for _, spelling in self._spellings))
        except BadPattern as bad:
            spelling = self._spellings[bad.number][1]
            raise BadInput("a place's spelling cannot be used", hint=bad.why, place=spelling.text) from bad
        self._by_name = {folded(spelling.text): place for place, spelling in self._spellings}
        self._by_name |= {folded(place.country): place for place in bundle.places if place.region is None}

    def enrich(self, texts: Sequence[str | None], hints: Sequence[Place]) -> list[Found]:
        """Place each text by itself, in order; `hints` are the fields sent with it (a cell is no place)."""
        return [self._one(text, hint) for text, hint in zip(texts, hints, strict=True)]

    def _one(self, text: str | None, hint: Place) -> Found:
        """The field decides country and region; the text adds what the field leaves open and fits it."""
        sent = self._from_field(hint)
        if not text or sent.city:
            return sent
        named = self._from_text(text)
        if sent.place_basis is None:
            return named
        if named.country != sent.country or (sent.region and named.region != sent.region):
            return sent
        return named if sent.region is None and named.region else sent._replace(city=named.city)

    def _from_field(self, hint: Place) -> Found:
        country, region, city = (self._known(part) for part in (hint.country, hint.region, hint.city))
        inner = next((place for place in (city, region, country) if place), None)
        if region and inner and inner.region != region.region:
            # The two fields contradict each other: the wider one is more often chosen from a list.
            inner = region
        found = Found(
            country=inner.country if inner else _tidy(hint.country),
            region=inner.region if inner and inner.region else _tidy(hint.region),
            city=inner.city if inner and inner is city else _tidy(hint.city),
        )
        return found._replace(place_basis="field") if any(found) else found

    def _known(self, name: str | None) -> PlaceName | None:
        return self._by_name.get(folded(name)) if name else None

    def _from_text(self, text: str) -> Found:
        """The one region that is named, and the first city in it.

        Two different regions (a journey, a comparison) prove nothing: then only their country stays, and
        nothing of two countries.
        """
        places = [named.place for named in self._named(text)]
        countries = _distinct(place.country for place in places)
        regions = _distinct(place.region for place in places if place.region)
        if len(countries) != 1:
            return Found()
        if len(regions) != 1:
            return Found(countries[0], place_basis="text")
        return Found(countries[0], regions[0], _city(places), "text")

    def _named(self, text: str) -> list[_Named]:
        """The names that count, in order: of two that overlap the longer one."""
        found = [
            _Named(start, end, place)
            for number, spans in self._words.find(text).items()
            for place, spelling in [self._spellings[number]]
            for start, end in spans
            if _counts(text, start, spelling)
        ]
        kept: list[_Named] = []
        for named in sorted(found, key=lambda named: (named.start - named.end, named.start)):
            if all(named.end <= other.start or other.end <= named.start for other in kept):
                kept.append(named)
        return sorted(kept, key=lambda named: named.start)


def _counts(text: str, start: int, spelling: Spelling) -> bool:
    if not spelling.needs:
        return True
    has_cue = _CUE.search(text[max(0, start - _BEFORE) : start]) is not None
    is_capital = text[start].isupper() and not text.isupper()
    if spelling.needs == "both":
        return has_cue and is_capital
    before = text[:start].rstrip(" @#\"'(")
    return has_cue or (is_capital and bool(before) and before[-1] not in ".!?\n:")


def _city(places: Sequence[PlaceName]) -> str | None:
    """The first city named, rather one that is not just the region's name again ("Lagos, around Yaba")."""
    cities = [place for place in places if place.city]
    return next((p.city for p in cities if p.city != p.region), cities[0].city if cities else None)


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _tidy(name: str | None) -> str | None:
    return " ".join(name.split()) or None if name else None
