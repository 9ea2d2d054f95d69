"""A gateway's form says what its JSON says."""

import json
from urllib.parse import quote, urlencode

import pytest

from catalog.contracts.forms import FIELDS, FORM
from catalog.contracts.reading import Reading, Violation
from catalog.contracts.registry import CONTRACTS

SMS = CONTRACTS["sms/1"]
FIELDS_SENT: dict[str, str] = json.loads(SMS.example)
UNREADABLE = Violation("payload_unreadable", "", None, None)


def form(**changes: str) -> bytes:
    return urlencode({**FIELDS_SENT, **changes}).encode()


@pytest.mark.parametrize("content_type", [FORM, f"{FORM}; charset=UTF-8", f" {FORM.upper()} ;x"])
def test_a_form_reads_as_its_json_does(content_type: str) -> None:
    said = {"Body": 'é 💸 50% & = + ; \\ " \n\0 ünd'}
    expected = SMS.read(json.dumps({**FIELDS_SENT, **said}).encode(), "application/json")
    assert isinstance(expected, Reading)
    assert expected.text == said["Body"]
    spaced = "&".join(f"{quote(name)}={quote(value)}" for name, value in {**FIELDS_SENT, **said}.items())
    unquoted = form(Body="é").replace(quote("é").encode(), "é".encode())
    assert SMS.read(form(**said), content_type) == SMS.read(spaced.encode(), content_type) == expected
    assert SMS.read(b"&" + form(**said) + b"&&=x&", content_type) == expected
    assert SMS.read(unquoted, content_type) == expected._replace(text="é")
    assert SMS.identify(form(**said), content_type) == ("provider", FIELDS_SENT["MessageSid"])


@pytest.mark.parametrize(
    ("payload", "reason", "field"),
    [
        (form() + b"&Body=again", "text_invalid", "$.Body"),
        (form(Body="x") + b"&Body=x&Body=x", "text_invalid", "$.Body"),
        (form() + b"&From=x", "field_invalid", "$.From"),
        (form() + b"&MessageSid=x", "id_invalid", "$.MessageSid"),
        (form(Body=""), "text_invalid", "$.Body"),
        (form(DateSent="now"), "event_time_invalid", "$.DateSent"),
        (b"", "id_invalid", "$.MessageSid"),
        (b"&&=&=x", "id_invalid", "$.MessageSid"),
        (SMS.example, "id_invalid", "$.MessageSid"),
    ],
)
def test_a_broken_form_is_named_by_its_field(payload: bytes, reason: str, field: str) -> None:
    found = SMS.read(payload, FORM)
    assert isinstance(found, Violation)
    assert (found.reason, found.field) == (reason, field)


def test_the_id_of_a_form_is_found_when_another_field_is_sent_twice() -> None:
    wanted = ("provider", FIELDS_SENT["MessageSid"])
    assert SMS.identify(form() + b"&Body=again", FORM) == wanted
    assert SMS.identify(form() + b"&MessageSid=x", FORM) is None


def test_other_fields_are_counted_up_to_a_limit() -> None:
    more = b"".join(b"&F%d=1" % n for n in range(FIELDS - len(FIELDS_SENT)))
    found = SMS.read(form() + b"&Media=1&Media=2", FORM)
    assert isinstance(found, Reading)
    assert found.extra == ("$.Media",)
    assert isinstance(SMS.read(form() + more, FORM), Reading)
    assert SMS.read(form() + more + b"&one=more", FORM) == UNREADABLE
    assert SMS.identify(form() + more + b"&one=more", FORM) is None


@pytest.mark.parametrize("bad", [b"\xff", b"%ff", b"%ed%a0%80"])
def test_bytes_that_are_no_text_are_unreadable(bad: bytes) -> None:
    assert SMS.read(form() + b"&Body=" + bad, FORM) == UNREADABLE


def test_a_form_is_no_payload_of_a_contract_that_takes_json_alone() -> None:
    assert CONTRACTS["web_form/1"].read(b"submission_id=1", FORM) == UNREADABLE
    assert CONTRACTS["plain/1"].read(CONTRACTS["plain/1"].example, FORM) != UNREADABLE
