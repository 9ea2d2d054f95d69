"""The door takes any payload; what it refuses is a line whose envelope cannot be read."""

import json

import pytest

from catalog.clock import SystemClock
from catalog.envelope import SOURCE_LENGTH, Envelope
from catalog.errors import BadInput
from catalog.ids import event_id
from catalog.log.frames import encode_body
from pipelines.append import PAYLOAD_BYTES, envelope, receipt


def taken(payload: str, **changes: object) -> Envelope:
    given = {"channel": "sms", "source": "gw", **changes}
    line = json.dumps(given)[:-1] + f', "payload": {payload}}}'
    return envelope(line.encode(), 1, "core-1", SystemClock())


def test_the_payloads_bytes_are_kept_as_they_stand() -> None:
    payload = '{ "id" : "7",\t"text":"n\\u00f3", "n": 12345678901234567890123 }'
    assert taken(payload).payload == payload.encode()


def test_the_id_comes_from_source_and_payload() -> None:
    stored = taken('{"id":"7"}')
    assert stored.event_id == event_id("gw", "provider", "7")
    assert (
        receipt(stored)
        == json.dumps({"event_id": stored.event_id, "id_origin": "provider"}, separators=(",", ":")).encode()
    )


def test_a_payload_in_another_encoding_is_stored() -> None:
    line = b'{"channel":"sms","source":"gw","payload":{"id":"\xff\xfe"}}'
    stored = envelope(line, 1, "core-1", SystemClock())
    assert (stored.id_origin, stored.payload) == ("minted", b'{"id":"\xff\xfe"}')


@pytest.mark.parametrize("payload", ["{}", '{"id":7}', '{"id":""}', "[1]", '"text"', "null", '{"id":null}'])
def test_without_an_id_one_is_minted(payload: str) -> None:
    first, second = taken(payload), taken(payload)
    assert first.id_origin == "minted"
    assert first.event_id != second.event_id


@pytest.mark.parametrize("payload", ['{"id":"7", "text":"\\ud800"}', ' {"n":NaN,"id":"7"}', '"\\udfff"'])
def test_what_only_a_lenient_decoder_reads_is_stored_as_it_stands(payload: str) -> None:
    assert taken(payload).payload == payload.strip().encode()
    if '"id":"7"' in payload:
        assert taken(payload).event_id == event_id("gw", "provider", "7")


def test_what_the_door_takes_the_log_takes() -> None:
    widest = taken(f'"{"a" * (PAYLOAD_BYTES - 2)}"', source="\U0001f4f5" * SOURCE_LENGTH, channel="c" * 32)
    assert len(widest.payload) == PAYLOAD_BYTES
    assert len(encode_body(widest)) > PAYLOAD_BYTES
    with pytest.raises(BadInput, match="too large line=1"):
        taken(f'"{"a" * (PAYLOAD_BYTES - 1)}"')


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"not json",
        b"[]",
        b'{"channel":"sms","source":"gw"}',
        b'{"channel":"sms","payload":{}}',
        b'{"channel":"SMS","source":"gw","payload":{}}',
        b'{"channel":"../x","source":"gw","payload":{}}',
        b'{"channel":"sms","source":"","payload":{}}',
        b'{"channel":"sms","source":"gw","payload":{},"more":1}',
        b'{"channel":"sms","source":"gw","payload":{"secret":"0801 234"}',
        b"\xff",
        b'{"channel":"sms","source":"gw","payload":{"text":"\\ud800"}} {}',
        b'{"channel":"sms","source":"gw","payload":{"text":"\\ud800"}',
        b'{"channel":"sms","source":7,"payload":"\\ud800"}',
        b'{"channel":"sms","source":"\\ud800","payload":{}}',
        b'{"channel":"sms",[1]:2,"source":"gw","payload":"\\ud800"}',
        b'{"channel":"sms","source":"gw","payload":"\\ud800",}',
        b'{"channel":"sms" "source":"gw","payload":"\\ud800"}',
    ],
)
def test_a_bad_line_is_named_and_not_quoted(line: bytes) -> None:
    with pytest.raises(BadInput) as refused:
        envelope(line, 41, "core-1", SystemClock())
    assert "line=41" in str(refused.value)
    assert "0801" not in str(refused.value)
