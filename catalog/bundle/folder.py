"""From a folder of files that people edit to a bundle, checked loudly."""

from __future__ import annotations

import importlib.resources
import re
import tomllib
from functools import lru_cache
from importlib.resources.abc import Traversable
from typing import Any, TypeVar

import msgspec

from catalog.bundle.bundle import (
    UNCLASSIFIED,
    Bundle,
    Category,
    Operator,
    PlaceName,
    Rule,
    Settings,
    Spelling,
)
from catalog.bundle.patterns import BadPattern, Phrases, folded
from catalog.errors import BadInput

TAXONOMY, RULES, PLACES = "taxonomy.toml", "rules.toml", "places.tsv"
OPERATORS, SETTINGS = "operators.toml", "settings.toml"

T = TypeVar("T")


def default(key_id: str) -> Bundle:
    """The bundle that ships with the product, under the given pseudonym key."""
    return msgspec.structs.replace(_shipped(), key_id=key_id)


@lru_cache(maxsize=1)
def _shipped() -> Bundle:
    return load(importlib.resources.files("catalog.bundle") / "default", "")


def load(folder: Traversable, key_id: str) -> Bundle:
    """The bundle of a folder's five files. Raises BadInput naming the file and what in it is wrong."""
    bundle = Bundle(
        taxonomy=_typed(_toml(folder, TAXONOMY).get("category"), tuple[Category, ...], TAXONOMY),
        rules=_rules(_toml(folder, RULES)),
        places=_places(_read(folder, PLACES)),
        operators=_typed(_toml(folder, OPERATORS).get("operator"), tuple[Operator, ...], OPERATORS),
        settings=_typed(_toml(folder, SETTINGS), Settings, SETTINGS),
        key_id=key_id,
    )
    _check_taxonomy(bundle)
    _check_rules(bundle)
    _check_places(bundle)
    for number in [p for o in bundle.operators for p in o.prefixes if not re.fullmatch(r"\+\d{3,}", p)]:
        raise BadInput("not the beginning of an E.164 number", file=OPERATORS, prefix=number)
    for pattern in bundle.settings.account_patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise BadInput("an account pattern does not compile", hint=str(error), file=SETTINGS) from error
    return bundle


def _read(folder: Traversable, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("a bundle's file cannot be read as UTF-8 text", file=name) from error


def _toml(folder: Traversable, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(_read(folder, name))
    except tomllib.TOMLDecodeError as error:
        raise BadInput("not TOML", hint=str(error), file=name) from error


def _typed(value: object, kind: type[T], name: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise BadInput(
            "a field is missing, unknown or of the wrong type", hint=str(error), file=name
        ) from error


def _rules(content: dict[str, Any]) -> tuple[Rule, ...]:
    """The rules with each `{word}` of their patterns replaced by its alternatives."""
    words = _typed(content.get("words", {}), dict[str, str], RULES)
    rules = _typed(content.get("rule"), tuple[Rule, ...], RULES)
    return tuple(
        msgspec.structs.replace(rule, patterns=tuple(_spelt_out(p, words, rule.name) for p in rule.patterns))
        for rule in rules
    )


def _spelt_out(pattern: str, words: dict[str, str], rule: str) -> str:
    for word in re.findall(r"\{([a-z_]+)\}", pattern):
        if word not in words:
            raise BadInput("a pattern names a word that is not listed", file=RULES, rule=rule, word=word)
        pattern = pattern.replace(f"{{{word}}}", words[word])
    return pattern


def _places(content: str) -> tuple[PlaceName, ...]:
    rows = [
        _row(line, number)
        for number, line in enumerate(content.splitlines(), 1)
        if line.strip() and not line.startswith("#")
    ]
    named_for_a_city = {(country, region) for country, region, city, _ in rows if city == region}
    return tuple(
        PlaceName(
            country=country,
            region=region or None,
            city=city or None,
            spellings=_spellings(
                "" if not city and (country, region) in named_for_a_city else city or region, further
            ),
        )
        for country, region, city, further in rows
    )


def _row(line: str, number: int) -> tuple[str, str, str, str]:
    fields = [field.strip() for field in line.split("\t")]
    if not 2 <= len(fields) <= 4 or not fields[0]:
        raise BadInput("a place is country, region, city and spellings", file=PLACES, line=number)
    country, region, city, further = [*fields, "", ""][:4]
    return country, region, city, further


def _spellings(name: str, further: str) -> tuple[Spelling, ...]:
    """The name and what is listed; a mark on the name itself replaces the unmarked one."""
    found = {name: ""} if name else {}
    for written in filter(None, map(str.strip, further.split("|"))):
        text = written.rstrip("?")
        found[text] = ("", "cue", "both")[len(written) - len(text)]
    return _typed(
        [{"text": text, "needs": needs} for text, needs in found.items()], tuple[Spelling, ...], PLACES
    )


def _check_taxonomy(bundle: Bundle) -> None:
    codes = [category.code for category in bundle.taxonomy]
    if len(set(codes)) != len(codes):
        raise BadInput("a category is there twice", file=TAXONOMY)
    if UNCLASSIFIED in codes or UNCLASSIFIED in {category.l1 for category in bundle.taxonomy}:
        raise BadInput("this category exists by itself", file=TAXONOMY, category=UNCLASSIFIED)


def _check_rules(bundle: Bundle) -> None:
    codes, seen = {category.code for category in bundle.taxonomy}, set[str]()
    for rule in bundle.rules:
        if rule.name in seen:
            raise BadInput("two rules have one name", file=RULES, rule=rule.name)
        seen.add(rule.name)
        if rule.l2 is not None and rule.l2 not in codes:
            raise BadInput("a rule's l2 is not in the taxonomy", file=RULES, rule=rule.name)
        if not all(rule.patterns) or not rule.patterns or (rule.weight > 0) != (rule.l2 is not None):
            raise BadInput(
                "a rule needs patterns, and a positive weight with an l2", file=RULES, rule=rule.name
            )
    owners = [rule for rule in bundle.rules for _ in rule.patterns]
    try:
        Phrases([pattern for rule in bundle.rules for pattern in rule.patterns])
    except BadPattern as bad:
        raise BadInput(
            "a pattern does not compile", hint=bad.why, file=RULES, rule=owners[bad.number].name
        ) from bad


def _check_places(bundle: Bundle) -> None:
    regions = {(place.country, place.region) for place in bundle.places if place.city is None}
    seen = set[bytes]()
    for place in bundle.places:
        name = place.city or place.region or place.country
        if (place.country, place.region) not in regions:
            raise BadInput("a city's region has no line of its own", file=PLACES, place=name)
        for spelling in place.spellings:
            if (form := folded(spelling.text)) in seen:
                raise BadInput("two places share a spelling", file=PLACES, place=spelling.text)
            seen.add(form)
