"""Which runs of digits in a text name a person, a line, a card or an account, and which are just numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import phonenumbers

from pipelines.stages.phones import e164

PHONE, CARD, ACCOUNT, IMEI, NUMBER = "phone", "card", "account", "imei", "number"

_RUN = re.compile(r"[+(]{0,2}\d(?:[ \t\u00a0().\-\u2010-\u2015]{0,3}\d){6,}")
"""Seven digits or more with little between them: it may hold several numbers, or dates, or none."""
_DIGITS = re.compile(r"\d+")
_CARD = re.compile(r"(?:4|5[0-9]|6|3[04-68]|2[2-7])\d{11,17}")
_CARD_GROUPS = {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 4, 2), (6, 10), (6, 13)}
_HOME_MOBILE = re.compile(r"[789][01]\d{8}")
_DATE = re.compile(
    r"(?:19|20)\d\d[-. ](?:0?[1-9]|1[0-2])[-. ](?:0?[1-9]|[12]\d|3[01])\b|(?:0?[1-9]|[12]\d|3[01])[-. ](?:0?[1-9]|1[0-2])[-. ](?:19|20)\d\d\b"
)
_NORTH_AMERICAN = re.compile(r"\(?\d{3}\)?[ .\-]{1,2}\d{3}[ .\-]\d{4}")

_PHONE_WORDS = re.compile(
    r"\b(?:call|phone|tel|telephone|mobile|cell|whatsapp|line|number|contact|reach|text|sms|fax|msisdn|gsm|no)\W{0,3}"
    r"(?:\w+\W{1,2}){0,2}$",
    re.IGNORECASE,
)
_ACCOUNT_WORDS = re.compile(
    r"(?:\b(?:accounts?|acct?s?|acc|a/c|nuban|iban|wallet|user ?id|customer ?id|smart ?card|meter)\b|a/c)\W{0,3}(?:\w+\W{1,3}){0,3}$",
    re.IGNORECASE,
)
_ACCOUNT_AFTER = re.compile(
    r"\W{0,3}(?:\w+ )?(?:bank|gtb|gtbank|uba|zenith|access|fcmb|opay|palmpay|kuda|fidelity|wema|sterling|polaris|moniepoint)\b",
    re.IGNORECASE,
)
_IMEI_WORD = re.compile(r"\bimei\b.{0,20}$", re.IGNORECASE)
_REFERENCE_WORDS = re.compile(
    r"\b(?:ref|reference|ticket|order|case|tracking|transaction|txn|trans|complaint|request|sr|invoice|receipt|token|session|incident|booking)"
    r"\W{0,3}(?:(?:id|no|number|num|code|is|was|ref)\W{1,3}){0,3}$",
    re.IGNORECASE,
)
_CURRENCY = re.compile(
    r"(?:[₦$£€#]|\b(?:n|ngn|usd|gbp|eur|kes|kshs?|ksh|rs|tsh|ugx|naira))[. ]?$", re.IGNORECASE
)
_URL = re.compile(r"(?:https?://|www\.)\S*$", re.IGNORECASE)
_BEFORE = 40
"""Characters looked at before a number."""
_MOST_GROUPS = 8


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
    for run in _RUN.finditer(text):
        groups = [_group(match) for match in _DIGITS.finditer(text, run.start(), run.end())]
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
        for judge in (_certain, _likely):
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
        for to in range(min(len(groups), at + _MOST_GROUPS), at, -1):
            if verdict := judge(text, groups[at:to], regions):
                found.append(
                    Found(verdict[0], _first(text, groups[at].start), groups[to - 1].end, verdict[1])
                )
                rest.append([])
                at = to
                break
        else:
            rest[-1].append(groups[at])
            at += 1
    return found, [stretch for stretch in rest if stretch]


def _certain(text: str, groups: list[_Group], regions: Sequence[str]) -> Verdict | None:
    """Numbers known by their own form."""
    digits = "".join(group.digits for group in groups)
    start, end = groups[0].start, groups[-1].end
    before = text[max(0, start - _BEFORE) : start]
    if not 8 <= len(digits) <= 19:
        return None
    if len(digits) == 15 and _IMEI_WORD.search(before):
        return IMEI, None
    lengths = tuple(len(group.digits) for group in groups)
    is_card = (len(groups) == 1 or lengths in _CARD_GROUPS) and _CARD.fullmatch(digits) and luhn(digits)
    if is_card and not _URL.search(before):
        return CARD, None
    if len(digits) == 10 and len(groups) == 1 and _ACCOUNT_WORDS.search(before):
        return ACCOUNT, None
    if (number := _phone(digits, text[start - 1 : start] == "+", lengths, regions)) is not None:
        return PHONE, number
    if _NORTH_AMERICAN.fullmatch(text, _first(text, start), end):
        return PHONE, None
    return None


def _phone(digits: str, has_plus: bool, lengths: tuple[int, ...], regions: Sequence[str]) -> str | None:
    if has_plus:
        return e164(f"+{digits}", regions)
    if digits[0] == "0" and lengths[0] > 1:
        return e164(digits, regions)
    codes = [str(phonenumbers.country_code_for_region(region)) for region in regions]
    if len(digits) >= 11 and any(digits.startswith(code) for code in codes):
        return e164(f"+{digits}", regions)
    return None


def _likely(text: str, groups: list[_Group], regions: Sequence[str]) -> Verdict | None:
    """Numbers known by the words around them; a long one without any is not kept either."""
    digits = "".join(group.digits for group in groups)
    start, end = groups[0].start, groups[-1].end
    before = text[max(0, start - _BEFORE) : start]
    if not 7 <= len(digits) <= 19 or len(groups) > 5 or _CURRENCY.search(before) or _URL.search(before):
        return None
    if _ACCOUNT_WORDS.search(before):
        return ACCOUNT, None
    if _REFERENCE_WORDS.search(before):
        return None
    if _HOME_MOBILE.fullmatch(digits):
        return PHONE, e164(f"0{digits}", regions)
    if text[start - 1 : start] == "+" or (len(digits) <= 15 and _PHONE_WORDS.search(before)):
        return PHONE, None
    if (
        len(groups) > 1
        or len(digits) < 10
        or text[start - 1 : start].isalpha()
        or text[end : end + 1].isalpha()
    ):
        return None
    return (ACCOUNT if len(digits) == 10 and _ACCOUNT_AFTER.match(text, end) else NUMBER), None


def _first(text: str, start: int) -> int:
    """Where a number begins that has a plus sign or a bracket before its first digit."""
    while start and text[start - 1] in "+(":
        start -= 1
    return start
