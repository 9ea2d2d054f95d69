"""Identifiers out of the text, their kind in their place; and who it was, as a pseudonym."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from catalog.bundle.bundle import Bundle
from catalog.bundle.keys import PseudonymKey
from catalog.contracts.reading import Identifier
from pipelines.stages.numbers import ACCOUNT, Found, find_numbers
from pipelines.stages.phones import NumberRanges, e164

EMAIL, HANDLE, CUSTOMER = "email", "handle", "customer"

_STRONGEST = ("msisdn", "email", "customer_id", "handle")
_DIGITS = re.compile(r"\d[^0-9]{0,3}\d[^0-9]{0,3}\d")
_SIGN = re.compile(r"\w@\w")
_MAILERS = ("mail", "yahoo", "outlook", "live", "icloud", "aol", "proton")
"""A text without digits, sign or mailer holds nothing by its form: these are ten times as fast as looking."""
_MAIL_HOSTS = r"(?:gmail|googlemail|yahoo|ymail|hotmail|outlook|live|icloud|aol|proton(?:mail)?)"
_MAIL_ENDING = r"(?: ?\. ?| ?\(?\bdot\b\)? ?)[a-z]{2,3}\b"
_EMAIL = re.compile(
    # From the first character of a word on only, or a long word would be tried from each of its letters.
    r"(?<![\w.+\-%'])[\w.+\-%']+"
    rf"(?:@(?:(?:[\w\-]+\.)+[^\W\d_]{{2,}}|{_MAIL_HOSTS}\b)"
    rf"| ?(?:@|\(at\)|\[at\]|\bat\b) ?{_MAIL_HOSTS}(?:{_MAIL_ENDING})+)",
    re.IGNORECASE,
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", re.IGNORECASE)
_OWN = {"handle": HANDLE, "account": ACCOUNT, "customer_id": CUSTOMER}
_SHORTEST_OWN = 4


class Redacted(NamedTuple):
    """What is left of one text, and whose it is.

    `text` has `<PHONE>`, `<EMAIL>`, `<CARD>`, `<ACCOUNT>`, `<IMEI>`, `<NUMBER>` (long, of unknown kind),
    `<HANDLE>` and `<CUSTOMER>` (the customer's own) where identifiers stood. `customer_key` and
    `account_key` are pseudonyms of 32 hex digits; `pii` is JSON, counts by kind, null for none;
    `operator` is whose range the customer's number is in, else the first number in the text.
    """

    text: str | None
    customer_key: str | None
    account_key: str | None
    pii: str | None
    operator: str | None


class Redactor:
    """Redaction under one bundle and one pseudonym key."""

    def __init__(self, bundle: Bundle, key: PseudonymKey) -> None:
        self._key = key
        self._regions = bundle.settings.phone_regions
        self._ranges = NumberRanges(bundle.operators)
        patterns = "|".join(f"(?:{pattern})" for pattern in bundle.settings.account_patterns)
        self._accounts = re.compile(patterns or r"(?!)", re.IGNORECASE)

    def redact(
        self, texts: Sequence[str | None], customers: Sequence[tuple[Identifier, ...]]
    ) -> list[Redacted]:
        """Redact each text by itself, in order; `customers` are the identifiers sent with each text."""
        return [self._one(text, customer) for text, customer in zip(texts, customers, strict=True)]

    def _one(self, text: str | None, customer: tuple[Identifier, ...]) -> Redacted:
        known: dict[str, str] = {identifier.kind: identifier.value for identifier in reversed(customer)}
        number = e164(known["msisdn"], self._regions) if "msisdn" in known else None
        found = self._found(text, customer) if text else []
        in_text = next((each.e164 for each in found if each.e164), None)
        operator = self._ranges.operator(number or in_text or "")
        return Redacted(
            _replaced(text, found) if text else text,
            self._customer_key(known, number),
            self._pseudonym("account", known["account"]) if "account" in known else None,
            _counts(found),
            operator,
        )

    def _customer_key(self, known: dict[str, str], number: str | None) -> str | None:
        kind = next((kind for kind in _STRONGEST if kind in known), None)
        if kind is None:
            return None
        return self._pseudonym(kind, number or known[kind] if kind == "msisdn" else known[kind])

    def _pseudonym(self, kind: str, value: str) -> str:
        """Of the canonical form: E.164, and otherwise small letters without blanks or a leading `@`."""
        return self._key.pseudonym(kind, "".join(value.lower().split()).removeprefix("@"))

    def _found(self, text: str, customer: tuple[Identifier, ...]) -> list[Found]:
        """What must go, in order and without overlap: of two that overlap, the one that begins first."""
        found = list(_own(text, customer))
        if _SIGN.search(text) or _has_mailer(text):
            found += (Found(EMAIL, *match.span(), None) for match in _EMAIL.finditer(text))
        if _DIGITS.search(text):
            found += (Found(ACCOUNT, *match.span(), None) for match in self._accounts.finditer(text))
            found += (Found(ACCOUNT, *m.span(), None) for m in _IBAN.finditer(text) if _is_iban(m[0]))
            found += find_numbers(text, self._regions)
        kept: list[Found] = []
        for each in sorted(found, key=lambda each: (each.start, -each.end)):
            if kept and each.start < kept[-1].end:
                # Nothing of either may stay.
                kept[-1] = kept[-1]._replace(end=max(kept[-1].end, each.end))
            else:
                kept.append(each)
        return kept


def _has_mailer(text: str) -> bool:
    folded = text.lower()
    return any(mailer in folded for mailer in _MAILERS)


def _own(text: str, customer: tuple[Identifier, ...]) -> Iterator[Found]:
    """The customer's own names for themselves, wherever they stand."""
    folded = ""
    for kind, value in customer:
        bare = value.strip().removeprefix("@").lower()
        if kind not in _OWN or len(bare) < _SHORTEST_OWN:
            continue
        folded = folded or text.lower()
        if bare in folded:
            for match in re.finditer(rf"(?<!\w)@?{re.escape(bare)}(?!\w)", text, re.IGNORECASE):
                yield Found(_OWN[kind], *match.span(), None)


def _is_iban(written: str) -> bool:
    bare = written.replace(" ", "")
    return 15 <= len(bare) <= 34 and int("".join(str(int(c, 36)) for c in bare[4:] + bare[:4])) % 97 == 1


def _replaced(text: str, found: list[Found]) -> str:
    parts, at = [], 0
    for each in found:
        parts += [text[at : each.start], f"<{each.kind.upper()}>"]
        at = each.end
    return "".join([*parts, text[at:]])


def _counts(found: list[Found]) -> str | None:
    counted = Counter(each.kind for each in found)
    return msgspec.json.encode(counted, order="sorted").decode() if counted else None
