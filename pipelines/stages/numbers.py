"""Which runs of digits in a text name a person, a line, a card or an account, and which are just numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import phonenumbers

from pipelines.stages import contexts
from pipelines.stages.phones import e164

PHONE, CARD, ACCOUNT, IMEI, NUMBER = "phone", "card", "account", "imei", "number"

_RUN = re.compile(r"[+(]{0,2}\d(?:[ \t\u00a0().\-\u2010-\u2015]{0,3}\d){6,}")
"""Seven digits or more with little between them: it may hold several numbers, or dates, or none."""
_DIGITS = re.compile(r"\d+")
_CARD = re.compile(r"(?:4|5[0-9]|6|3[04-68]|2[2-7])\d{11,17}")
_CARD_GROUPS = {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 4, 2), (6, 10), (6, 13)}
_HOME_MOBILE = re.compile(r"[789][01]\d{8}")
_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19|20)\d\d"
_DATE = re.compile(rf"{_YEAR}[-. ]{_MONTH}[-. ]{_DAY}\b|{_DAY}[-. ]{_MONTH}[-. ]{_YEAR}\b")
_NORTH_AMERICAN = re.compile(r"\(?\d{3}(?:\) ?|[ .\-]{1,2})\d{3}[ .\-]\d{4}")
_NOT_DASHED = re.compile(r"[^\d\-]|--")
_EXTENSION = re.compile(r" ?(?:x|ext\.?|extension) ?\d{1,6}\b", re.IGNORECASE)

_LONGEST_PRICE = 9
"""Digits in the highest price."""
_LONGEST = 25
"""Digits in the longest number that is looked at: a SIM card's serial has 20."""
_MOST_GROUPS = 16
_MOST_LOOKED_AT = 200
"""Groups of digits looked at in one text; what looks like a number after them goes without a look."""


class Found(NamedTuple):
    """A number at the characters `start` to `end` (exclusive); `e164` where it is a telephone number's."""

    kind: str
    start: int
    end: int
    e164: str | None


class _Group(NamedTuple):
    start: int
    end: int
    digits: str


def find_numbers(text: str, regions: Sequence[str]) -> Iterator[Found]:
    """Every number that must not be kept, in order; none overlaps another or ends inside a digit run."""
    looked_at = 0
    for run in _RUN.finditer(text):
        groups = [_group(match) for match in _DIGITS.finditer(text, run.start(), run.end())]
        looked_at += len(groups)
        if looked_at > _MOST_LOOKED_AT:
            yield Found(NUMBER, *run.span(), None)
            continue
        yield from sorted(_judge(text, _without_dates(text, groups), regions), key=lambda found: found.start)


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others."""
    doubled = (2 * int(digit) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(d - 9 if d > 9 else d for d in doubled)) % 10 == 0


def _group(match: re.Match[str]) -> _Group:
    # Digits of other scripts count as the same digits.
    digits = match[0] if match[0].isascii() else "".join(str(int(digit)) for digit in match[0])
    return _Group(match.start(), match.end(), digits)


def _without_dates(text: str, groups: list[_Group]) -> list[list[_Group]]:
    """The groups in stretches, cut where a date stands."""
    stretches: list[list[_Group]] = [[]]
    until = -1
    for group in groups:
        if group.start < until:
            continue
        if date := _DATE.match(text, group.start):
            until = date.end()
            stretches.append([])
        else:
            stretches[-1].append(group)
    return [stretch for stretch in stretches if stretch]


def _judge(text: str, stretches: list[list[_Group]], regions: Sequence[str]) -> Iterator[Found]:
    for stretch in stretches:
        # What is certain by its form first, so that a guess cannot take the beginning of it.
        left = [stretch]
        for judge in (_international, _signed, _certain, _likely):
            rest: list[list[_Group]] = []
            for groups in left:
                found, unfound = _taken(text, groups, regions, judge)
                yield from found
                rest += unfound
            left = rest


Verdict = tuple[str, str | None]
Judge = Callable[[str, list[_Group], Sequence[str]], Verdict | None]


def _taken(
    text: str, groups: list[_Group], regions: Sequence[str], judge: Judge
) -> tuple[list[Found], list[list[_Group]]]:
    """What the judge finds, the longest from each group on, and the stretches between."""
    found: list[Found] = []
    rest: list[list[_Group]] = [[]]
    at = 0
    while at < len(groups):
        first = at
        for to in range(min(len(groups), at + _MOST_GROUPS), at, -1):
            if verdict := judge(text, groups[at:to], regions):
                kind, number = verdict
                if kind == PHONE and not (number or "").startswith("+234"):
                    at, to = _whole(text, groups, at, to, len(rest[-1]))
                    rest[-1] = rest[-1][: len(rest[-1]) - (first - at)]
                found.append(_found(text, kind, groups[at:to], number))
                rest.append([])
                at = to
                break
        else:
            rest[-1].append(groups[at])
            at += 1
    return found, [stretch for stretch in rest if stretch]


def _whole(text: str, groups: list[_Group], at: int, to: int, free: int) -> tuple[int, int]:
    """A foreign number with the short groups beside it: better one too many than a part that stays.

    Numbers of the home country are known to be complete. `free` groups before it are not taken yet.
    """
    while to < len(groups) and len(groups[to].digits) <= 4 and _gap(text, groups, to) == 1:
        to += 1
    while free and text[groups[at].start - 1] not in "+(" and len(groups[at - 1].digits) <= 3:
        if _gap(text, groups, at) > 1:
            break
        at, free = at - 1, free - 1
    return at, to


def _gap(text: str, groups: list[_Group], number: int) -> int:
    return groups[number].start - groups[number - 1].end


def _found(text: str, kind: str, groups: list[_Group], number: str | None) -> Found:
    start, end = groups[0].start, groups[-1].end
    while start and text[start - 1] in "+(":
        start -= 1
    if kind == PHONE and (extension := _EXTENSION.match(text, end)):
        end = extension.end()
    return Found(kind, start, end, number)


def _digits(groups: list[_Group]) -> str:
    return "".join(group.digits for group in groups)


def _has_plus(text: str, groups: list[_Group]) -> bool:
    return text[max(0, groups[0].start - 1) : groups[0].start] == "+"


def _international(text: str, groups: list[_Group], regions: Sequence[str]) -> Verdict | None:
    """A valid number after a plus sign."""
    digits = _digits(groups)
    if not _has_plus(text, groups) or not 8 <= len(digits) <= 16:
        return None
    number = e164(f"+{digits}", regions)
    return (PHONE, number) if number else None


def _signed(text: str, groups: list[_Group], _regions: Sequence[str]) -> Verdict | None:
    """What else follows a plus sign."""
    return (PHONE, None) if _has_plus(text, groups) and 7 <= len(_digits(groups)) <= 16 else None


def _certain(text: str, groups: list[_Group], regions: Sequence[str]) -> Verdict | None:
    """Numbers known by their own form."""
    digits = _digits(groups)
    start, end = groups[0].start, groups[-1].end
    before = text[max(0, start - contexts.BEFORE) : start]
    if not 8 <= len(digits) <= _LONGEST:
        return None
    if len(digits) == 15 and contexts.IMEI.search(before):
        return IMEI, None
    lengths = tuple(len(group.digits) for group in groups)
    is_card = (len(groups) == 1 or lengths in _CARD_GROUPS) and _CARD.fullmatch(digits) and luhn(digits)
    if is_card and not contexts.URL.search(before):
        return CARD, None
    if len(digits) == 10 and len(groups) == 1 and contexts.ACCOUNT.search(before):
        return ACCOUNT, None
    if (number := _phone(digits, lengths, regions)) is not None:
        return PHONE, number
    if digits.startswith("00") and lengths[0] > 2 and 11 <= len(digits) <= 17:
        return PHONE, None
    if _NORTH_AMERICAN.fullmatch(text, start - (text[max(0, start - 1) : start] == "("), end):
        return PHONE, None
    return None


def _phone(digits: str, lengths: tuple[int, ...], regions: Sequence[str]) -> str | None:
    # A single nought may begin a decimal, but not one that is exactly a mobile number.
    if digits[0] == "0" and (lengths[0] > 1 or _HOME_MOBILE.fullmatch(digits, 1)):
        return e164(digits, regions)
    codes = [str(phonenumbers.country_code_for_region(region)) for region in regions]
    if len(digits) >= 11 and any(digits.startswith(code) for code in codes):
        return e164(f"+{digits}", regions)
    return None


def _likely(text: str, groups: list[_Group], regions: Sequence[str]) -> Verdict | None:
    """Numbers known by the words around them; a long one without any is not kept either."""
    digits = _digits(groups)
    start, end = groups[0].start, groups[-1].end
    before = text[max(0, start - contexts.BEFORE) : start]
    if not 7 <= len(digits) <= _LONGEST or len(groups) > 5 or contexts.URL.search(before):
        return None
    if len(digits) <= _LONGEST_PRICE and contexts.PRICE.search(before):
        return None
    if len(digits) >= 12 and contexts.CARD.search(before):
        return CARD, None
    if contexts.ACCOUNT.search(before):
        return ACCOUNT, None
    if _HOME_MOBILE.fullmatch(digits):
        return PHONE, e164(f"0{digits}", regions)
    if contexts.REFERENCE.search(before):
        return None
    if len(digits) <= 15 and contexts.PHONE.search(before):
        return PHONE, None
    is_dashed = len(groups) > 1 and len(digits) >= 9 and not _NOT_DASHED.search(text, start, end)
    if not is_dashed and (len(groups) > 1 or len(digits) < 10):
        return None
    if text[max(0, start - 1) : start].isalpha() or text[end : end + 1].isalpha():
        return None
    return (ACCOUNT if len(digits) == 10 and contexts.BANK_AFTER.match(text, end) else NUMBER), None
