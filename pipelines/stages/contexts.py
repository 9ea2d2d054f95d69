"""What the words around a number say about it. Each is searched in the text up to the number, or after it."""

from __future__ import annotations

import re


def _before(words: str, between: int) -> re.Pattern[str]:
    """One of the words, and at most so many other words up to the end."""
    named = "|".join(words.split())
    return re.compile(rf"\b(?:{named})(?![^\W\d])\W{{0,3}}(?:\w+\W{{1,3}}){{0,{between}}}$", re.IGNORECASE)


BEFORE = 40
"""Characters to look at before a number."""

PHONE = _before(
    "call phone tel telephone mobile mob cell whatsapp line number contact reach text sms fax msisdn gsm no",
    2,
)
ACCOUNT = _before("accounts? acct?s? acc a/c nuban iban wallet user.?id customer.?id smart.?card meter", 3)
CARD = _before("cards? atm visa mastercard verve", 3)
IMEI = _before("imei", 3)
REFERENCE = _before(
    "ref reference ticket order case tracking transaction txn trans complaint request sr invoice receipt "
    "token session incident booking",
    2,
)
PRICE = re.compile(r"(?:[₦$£€#]|\b(?:n|ngn|usd|gbp|eur|kes|kshs?|rs|tsh|ugx|naira))[. ]?$", re.IGNORECASE)
URL = re.compile(r"(?:https?://|www\.)\S*$", re.IGNORECASE)

BANK_AFTER = re.compile(
    r"\W{0,3}(?:\w+ )?(?:bank|gtb|gtbank|uba|zenith|access|fcmb|opay|palmpay|kuda|fidelity|wema|sterling"
    r"|polaris|moniepoint)\b",
    re.IGNORECASE,
)
