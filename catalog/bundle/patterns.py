"""Many patterns, one pass: what a pattern in a rule file means, and where each is found in a text.

A pattern is one or more phrases. Within a phrase `(a|b)` is a or b, `x?` and `(a|b)?` may be missing, and so
may an apostrophe; upper and lower case are the same; a phrase is whole words. Between phrases ` .. ` is up
to 15 and ` … ` up to 40 characters of one sentence. `^` and `$` at a pattern's ends are the text's ends.
Marks other than `'@&%_<>` stand for blanks. A phrase with any of `[]*+`, an end of the text or a character
outside ASCII in it is a regular expression over the text as it is, which costs more.
"""

from __future__ import annotations

import bisect
import operator
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import hyperscan

_GAPS = {" .. ": 15, " … ": 40}
_GAP = re.compile("({})".format("|".join(map(re.escape, _GAPS))))
_SENTENCE_END = re.compile(r"[.!?\n]")
_EXPRESSION = re.compile(r"[][*+]|^\^|\$$")
_FLAGS = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_SOM_LEFTMOST
_LONGEST_PHRASE = 100
_MOST = 5_000
"""Spellings of one phrase: more would be a mistake."""
_ORDER = operator.itemgetter(2, 0, 1)
_IN_WORDS = b"@&%'_<>"
"""So that neither the words of a handle nor a placeholder like <PHONE> are words of the text."""
_FOLD = bytes(
    ord(chr(byte).lower()) if (byte < 128 and chr(byte).isalnum()) or byte in _IN_WORDS else 32
    for byte in range(256)
)
"""Capital letters to small ones, everything that is no ASCII letter, digit or such a mark to a blank."""

Span = tuple[int, int]


class Hit(NamedTuple):
    """Pattern number `pattern` was found at the characters `start` to `end` (exclusive) of the text."""

    pattern: int
    start: int
    end: int


class BadPattern(ValueError):
    """Pattern `number` (counted from 0) cannot be used, and why."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(number, why)
        self.number, self.why = number, why


class Phrases:
    """Patterns found together in one pass over a text; one instance serves one thread at a time."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Raises BadPattern where one does not compile."""
        phrases: dict[str, int] = {}
        self._by_last: dict[int, list[tuple[int, list[int], list[int], frozenset[int]]]] = defaultdict(list)
        for number, pattern in enumerate(patterns):
            first, *rest = _GAP.split(pattern)
            parts = [phrases.setdefault(part, len(phrases)) for part in (first, *rest[1::2])]
            gaps = [_GAPS[gap] for gap in rest[::2]]
            self._by_last[parts[-1]].append((number, parts, gaps, frozenset(parts[:-1])))
        try:
            self._words = words(tuple(phrases))
        except BadPattern as bad:
            phrase = list(phrases)[bad.number]
            owner = next(n for n, pattern in enumerate(patterns) if phrase in _GAP.split(pattern)[::2])
            raise BadPattern(owner, bad.why) from bad

    def find(self, text: str) -> list[Hit]:
        """The first place where each pattern is found, in order of the text."""
        spans = self._words.find(text)
        found: list[Hit] = []
        for last in spans:
            for number, parts, gaps, further in self._by_last.get(last, ()):
                if spans.keys() >= further:
                    place = _joined(text, [spans[part] for part in parts], gaps)
                    found += [Hit(number, *place)] if place else []
        return sorted(found, key=lambda hit: (hit.start, hit.pattern))


@lru_cache(maxsize=8)
def words(phrases: tuple[str, ...]) -> Words:
    """`Words` of these phrases, compiled once in a process however many bundles share them."""
    return Words(phrases)


class Words:
    """Phrases found together: words as literals in a folded copy of the text, expressions in the text itself.

    Thousands of literals with a blank at either end compile in a second and are found in microseconds; as
    expressions with word boundaries they took a minute to compile.
    """

    def __init__(self, phrases: Sequence[str]) -> None:
        """Raises BadPattern where one does not compile."""
        literals: dict[bytes, list[int]] = defaultdict(list)
        expressions: dict[bytes, list[int]] = defaultdict(list)
        for number, phrase in enumerate(phrases):
            try:
                if _is_expression(phrase):
                    expressions[_expression(phrase)].append(number)
                else:
                    for words in sorted(spellings(phrase)):
                        literals[b" %b " % folded(words)].append(number)
            except ValueError as error:
                raise BadPattern(number, str(error)) from error
        self._literals = _compiled([re.escape(literal) for literal in literals], flags=0)
        self._of_literal = [(len(literal) - 2, owners) for literal, owners in literals.items()]
        try:
            self._expressions = _compiled(list(expressions), flags=_FLAGS)
        except hyperscan.error as error:
            raise BadPattern(_faulty(phrases), str(error)) from error
        self._of_expression = list(expressions.values())

    def find(self, text: str) -> dict[int, list[Span]]:
        """Where each phrase is found, by phrase, in order of their ends."""
        found: list[tuple[int, int, int]] = []
        if self._literals:
            # One byte for each character, whatever it is, so that offsets are those of the text.
            plain = text.encode("ascii", "replace").translate(_FOLD)
            self._literals.scan(b" %b " % plain, match_event_handler=_note, context=found)
        # One order on every machine: where two matches end together, the scanner's own is its business.
        found.sort(key=_ORDER)
        # The copy begins a byte earlier, and a match ends with its blank: the word itself ends two before.
        spans: dict[int, list[Span]] = {}
        for number, _, end in found:
            length, owners = self._of_literal[number]
            span = end - 2 - length, end - 2
            for phrase in owners:
                spans.setdefault(phrase, []).append(span)
        found.clear()
        content = text.encode(errors="replace")
        if self._expressions:
            self._expressions.scan(content, match_event_handler=_note, context=found)
        found.sort(key=_ORDER)
        place = _places(content, text)
        for number, start, end in found:
            for phrase in self._of_expression[number]:
                spans.setdefault(phrase, []).append((place(start), place(end)))
        return spans


def folded(words: str) -> bytes:
    """The form in which words are compared."""
    return b" ".join(words.encode().translate(_FOLD).split())


def spellings(phrase: str) -> set[str]:
    """Every way to write a phrase without regular expressions. Raises ValueError for none or too many."""
    found, rest = _alternatives(phrase.replace("'", "'?"))
    if rest or not any(found):
        raise ValueError("a bracket too many, or nothing to find")
    return {words.strip() for words in found if words.strip()}


def _alternatives(rest: str) -> tuple[set[str], str]:
    """The spellings up to a closing bracket or the end, and what is left from there."""
    found: set[str] = set()
    sequence = {""}
    while rest and rest[0] != ")":
        if rest[0] == "|":
            found, sequence, rest = found | sequence, {""}, rest[1:]
            continue
        if rest[0] == "(":
            options, rest = _alternatives(rest[1:])
            if not rest:
                raise ValueError("a bracket is not closed")
        else:
            options = {rest[0]}
        rest = rest[1:]
        if rest.startswith("?"):
            options, rest = {*options, ""}, rest[1:]
        sequence = {before + after for before in sequence for after in options}
        if len(sequence) > _MOST:
            raise ValueError("too many spellings")
    return found | sequence, rest


def _note(number: int, start: int, end: int, _flags: int, found: Any) -> None:
    found.append((number, start, end))


def _places(content: bytes, text: str) -> Callable[[int], int]:
    """From a byte's offset to a character's."""
    if len(content) == len(text):
        return int
    return lambda offset: len(content[:offset].decode(errors="replace"))


def _compiled(expressions: Sequence[bytes], flags: int) -> hyperscan.Database | None:
    if not expressions:
        return None
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=expressions, ids=list(range(len(expressions))), elements=len(expressions), flags=flags
    )
    return database


def _is_expression(phrase: str) -> bool:
    return not phrase.isascii() or _EXPRESSION.search(phrase) is not None


def _expression(phrase: str) -> bytes:
    before = "^" if phrase.startswith("^") else _edge(phrase, 0)
    after = "$" if phrase.endswith("$") else _edge(phrase, -1)
    body = phrase.removeprefix("^").removesuffix("$").replace("'", "'?")
    return f"{before}(?:{body}){after}".encode()


def _edge(phrase: str, at: int) -> str:
    """A word's end, unless it is a mark that stands there, or anything outside ASCII."""
    return r"\b" if phrase.isascii() and (phrase[at].isalnum() or phrase[at] in "()]") else ""


def _faulty(phrases: Iterable[str]) -> int:
    """The number of the first expression that does not compile by itself, else 0."""
    for number, phrase in enumerate(phrases):
        try:
            _compiled([_expression(phrase)] if _is_expression(phrase) else [], _FLAGS)
        except hyperscan.error:
            return number
    return 0


def _joined(text: str, parts: list[list[Span]], gaps: list[int]) -> Span | None:
    """The first place where the parts follow one another, near enough and within one sentence."""
    for start, end in parts[0]:
        for following, gap in zip(parts[1:], gaps, strict=True):
            end = _next_end(text, end, following, gap)
            if not end:
                break
        else:
            return start, end
    return None


def _next_end(text: str, end: int, following: list[Span], gap: int) -> int:
    """The end of the first span (of some in order of their ends) that begins near enough, else 0."""
    for n in range(bisect.bisect(following, end, key=operator.itemgetter(1)), len(following)):
        at, to = following[n]
        if end <= at <= end + gap and not _SENTENCE_END.search(text, end, at):
            return to
        if to > end + gap + _LONGEST_PHRASE:
            break
    return 0
