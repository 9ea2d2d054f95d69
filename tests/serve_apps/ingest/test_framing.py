"""Batches are cut into the bytes of their events, whatever stands in them."""

import json
import random

import pytest

from serve_apps.ingest import framing
from serve_apps.ingest.framing import elements, is_object, lines
from serve_apps.problems import Refused


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", []),
        (b"\n \r\n\n", []),
        (b'{"a":1}', [b'{"a":1}']),
        (b'{"a":1}\r\n\n  {"b":2}\t\n', [b'{"a":1}', b'{"b":2}']),
        (b'{"a":\n', [b'{"a":']),
        (b"\xff\n[1]", [b"\xff", b"[1]"]),
    ],
)
def test_lines(body: bytes, found: list[bytes]) -> None:
    assert lines(body, 10) == found


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"[]", []),
        (b" [ ] ", []),
        (b'[ {"a" : 1} ,2,"x"]\n', [b'{"a" : 1}', b"2", b'"x"']),
        (b'[{"a":"\\ud800"},{"b":"]}"}]', [b'{"a":"\\ud800"}', b'{"b":"]}"}']),
        (b'[{"a":\xff},{"b":[1,{"c":","}]}]', [b'{"a":\xff}', b'{"b":[1,{"c":","}]}']),
        (b'[{"a":NaN}, {"b":"\\\\"} , ]', [b'{"a":NaN}', b'{"b":"\\\\"}', b""]),
        (b'[{"a":' + b"[" * 5000 + b"]" * 5000 + b"}]", [b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"]),
    ],
)
def test_elements(body: bytes, found: list[bytes]) -> None:
    assert elements(body, 10) == found


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[", b'["', b'["a\\', b'[{"a":1}', b"[1]]", b"[1] 2", b"1", b"][", b'[{"a":"}]']
)
def test_what_is_no_array_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(Refused) as error:
        elements(body, 10)
    assert error.value.refusal.code == "framing_unreadable"


@pytest.mark.parametrize(
    ("cut", "body"),
    [
        (lines, b"{}\n" * 11),
        (lines, b"\n" * 11),
        (elements, b"[" + b"{}," * 10 + b"{}]"),
        (elements, b"[" + b"1," * 1_000 + b"1]"),
        (elements, b"[" + b"NaN," * 10 + b"1]"),
    ],
    ids=("lines", "blank lines", "array", "many commas", "lenient array"),
)
def test_more_than_may_be_is_refused_as_a_whole(cut: "type[framing]", body: bytes) -> None:
    with pytest.raises(Refused) as error:
        cut(body, 10)  # type: ignore[operator]
    assert error.value.refusal.code == "too_many_events"


def test_the_lenient_cut_agrees_with_the_strict_one() -> None:
    rng = random.Random(7)

    def value(depth: int) -> object:
        kind = rng.randrange(5 if depth else 3)
        if kind == 3:
            return [value(depth - 1) for _ in range(rng.randrange(4))]
        if kind == 4:
            return {text(): value(depth - 1) for _ in range(rng.randrange(4))}
        return rng.choice([text(), rng.random(), None, True])

    def text() -> str:
        return "".join(rng.choice('{}[],:"\\é \n\u200d') for _ in range(rng.randrange(8)))

    for _ in range(300):
        events = [value(4) for _ in range(rng.randrange(9))]
        body = json.dumps(events, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, 1])).encode()
        assert [json.loads(each) for each in framing._cut(body, 10)] == events
        assert [json.loads(each) for each in elements(body, 10)] == events


@pytest.mark.parametrize("body", [b'"' + b'\\"' * 200_000, b'["' + b"\\" * 400_001, b"[" * 400_000])
def test_no_input_takes_long_to_cut(body: bytes) -> None:
    # Quadratic time would be minutes here.
    with pytest.raises(Refused):
        framing._cut(b"[" + body, 10)


def test_an_object_is_told_by_how_it_begins() -> None:
    assert is_object(b'{"cut":')
    assert not any(map(is_object, (b"", b"[{}]", b'"{"', b"1", b"null", b"\xef\xbb\xbf{}")))
