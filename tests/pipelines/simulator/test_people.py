"""Identifiers are what they claim to be."""

import re
from random import Random

import phonenumbers
import pytest

from pipelines.simulator.people import Place, identifier, luhn, person

NAMES = {"first": ["Ada"], "last": ["Obi"], "prefixes": ["0803", "0909"], "mail": ["mail.example"]}
WHO = person(Random(5), NAMES, Place("Aba", "Abia", "621-50-1-2"), "en")


def passes_check(number: str) -> bool:
    digits = [int(digit) for digit in reversed(number)]
    return (sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0


@pytest.mark.parametrize(("number", "whole"), [("7992739871", "79927398713"), ("0", "00"), ("1", "18")])
def test_the_check_digit(number: str, whole: str) -> None:
    assert luhn(number) == whole


@pytest.mark.parametrize(
    ("kind", "length"), [("card", 16), ("imei", 15), ("account", 10)], ids=lambda given: str(given)
)
def test_numbers_have_their_length_and_check(kind: str, length: int) -> None:
    for seed in range(50):
        number = re.sub(r"[ -]", "", identifier(Random(seed), kind, WHO))
        assert (number.isdigit(), len(number)) == (True, length)
        assert kind == "account" or passes_check(number)


def test_every_spelling_of_a_phone_is_a_nigerian_mobile() -> None:
    spelled = {identifier(Random(seed), "phone", WHO) for seed in range(300)}
    assert len({re.sub(r"\d", "#", spelling) for spelling in spelled}) >= 10
    for spelling in spelled:
        number = phonenumbers.parse(f"+{spelling}" if spelling.startswith("234") else spelling, "NG")
        assert phonenumbers.is_valid_number(number)
        assert phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(KeyError):
        identifier(Random(1), "passport", WHO)
