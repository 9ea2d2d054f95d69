"""What is found and what stays, by example; pseudonyms and operators; each text by itself."""

import itertools
import json
import random
from pathlib import Path

import pytest

from catalog.bundle.folder import default
from catalog.bundle.keys import PseudonymKey
from catalog.contracts.reading import Identifier
from pipelines.stages.numbers import luhn
from pipelines.stages.redact import Redactor

CASES = [json.loads(line) for line in (Path(__file__).parent / "cases/redact.jsonl").read_text().splitlines()]
KEY = PseudonymKey("k1", b"0123456789abcdef0123456789abcdef")
REDACTOR = Redactor(default("k1"), KEY)


def redacted(text: str, *customer: Identifier) -> str | None:
    return REDACTOR.redact([text], [customer])[0].text


def customer_key(*customer: Identifier) -> str | None:
    return REDACTOR.redact([None], [customer])[0].customer_key


@pytest.mark.parametrize("case", CASES, ids=[case["text"] for case in CASES])
def test_by_example(case: dict[str, object]) -> None:
    (found,) = REDACTOR.redact([str(case["text"])], [()])
    assert found.text == case["redacted"]
    assert (json.loads(found.pii) if found.pii else None) == case["pii"]
    assert found.operator == case.get("operator")
    assert redacted(str(case["redacted"])) == case["redacted"]


def test_each_text_is_redacted_by_itself() -> None:
    texts = [case["text"] for case in CASES] + [None, ""]
    customers = [(Identifier("msisdn", "08031234567"),) if n % 2 else () for n in range(len(texts))]
    whole = REDACTOR.redact(texts, customers)
    order = random.Random(7).sample(range(len(texts)), len(texts))
    alone = {n: REDACTOR.redact([texts[n]], [customers[n]]) for n in order}
    assert [[each] for each in whole] == [alone[n] for n in range(len(texts))]
    assert REDACTOR.redact([], []) == []


def test_no_separators_hide_a_mobile_number() -> None:
    random_ = random.Random(11)
    for _ in range(500):
        digits = random_.choice(["0", "234"]) + random_.choice(["803", "705", "912"])
        digits += "".join(random_.choices("0123456789", k=7))
        sign = "+" if digits.startswith("234") and random_.random() < 0.5 else ""
        between = random_.choices(["", "", "", " ", "-", ".", "\u00a0", " - "], k=len(digits) - 1)
        written = "".join(itertools.chain(*zip(digits, [*between, ""], strict=True)))
        assert redacted(f"pls call {sign}{written} today") == "pls call <PHONE> today"


def test_the_customers_own_names_go_and_others_stay() -> None:
    customer = (Identifier("handle", "@Ada_Bee"), Identifier("customer_id", "C-7781"))
    assert redacted("@ada_bee again, c-7781, @ada_bee2 too", *customer) == (
        "<HANDLE> again, <CUSTOMER>, @ada_bee2 too"
    )
    assert redacted("a1 is fine", Identifier("handle", "a1")) == "a1 is fine"


def test_one_number_in_any_form_is_one_customer() -> None:
    forms = ["08031234567", "+234 803 123 4567", "234-803-123-4567", "00234 803 1234567"]
    assert len({customer_key(Identifier("msisdn", form)) for form in forms}) == 1
    assert customer_key(Identifier("msisdn", forms[0])) == KEY.pseudonym("msisdn", "+2348031234567")
    assert customer_key(Identifier("email", " Ada@Example.com ")) == KEY.pseudonym("email", "ada@example.com")
    assert customer_key() is None


def test_the_strongest_identifier_is_the_customer() -> None:
    weak = [Identifier("handle", "ada"), Identifier("customer_id", "9"), Identifier("email", "a@b.co")]
    number = Identifier("msisdn", "08031234567")
    assert customer_key(*weak, number) == customer_key(number)
    assert customer_key(*weak) == customer_key(weak[2])
    assert customer_key(*weak[:2]) == customer_key(weak[1])
    assert customer_key(Identifier("account", "123")) is None


def test_the_account_has_a_pseudonym_of_its_own() -> None:
    (found,) = REDACTOR.redact(["x"], [(Identifier("account", "BJ 1234"), Identifier("email", "a@b.co"))])
    assert found.account_key == KEY.pseudonym("account", "bj1234")
    assert found.customer_key == KEY.pseudonym("email", "a@b.co")


def test_the_customers_own_number_says_the_operator() -> None:
    (found,) = REDACTOR.redact(["call 08031234567"], [(Identifier("msisdn", "08051234567"),)])
    assert found.operator == "Glo"


def test_another_key_gives_other_pseudonyms() -> None:
    other = Redactor(default("k2"), PseudonymKey("k2", b"x" * 32))
    customer = (Identifier("msisdn", "08031234567"),)
    assert other.redact([None], [customer])[0].customer_key != customer_key(*customer)


@pytest.mark.parametrize(
    ("digits", "valid"), [("4111111111111111", True), ("4111111111111112", False), ("0", True)]
)
def test_luhn(digits: str, valid: bool) -> None:
    assert luhn(digits) is valid
