"""What repair does, by example; it is done once, and to each text by itself."""

import json
from pathlib import Path

import pytest

from pipelines.stages.normalise import MAX_CHARACTERS, normalise

CASES = [
    json.loads(line) for line in (Path(__file__).parent / "cases/normalise.jsonl").read_text().splitlines()
]


@pytest.mark.parametrize("case", CASES, ids=[repr(case["sent"]) for case in CASES])
def test_by_example(case: dict[str, str | None]) -> None:
    assert normalise([case["sent"]]) == [case["text"]]


@pytest.mark.parametrize("case", CASES, ids=[repr(case["sent"]) for case in CASES])
def test_repaired_text_is_left_alone(case: dict[str, str | None]) -> None:
    once = normalise([case["sent"]])
    assert normalise(once) == once


def test_each_text_is_repaired_by_itself() -> None:
    sent = [None, *(case["sent"] for case in CASES), None]
    assert normalise(sent) == [None, *(case["text"] for case in CASES), None]
    assert normalise([]) == []


def test_a_long_text_is_cut() -> None:
    (text,) = normalise(["é" * 200_000])
    assert text == "é" * MAX_CHARACTERS
    assert normalise([text]) == [text]


def test_lone_surrogates_do_not_survive() -> None:
    (text,) = normalise(["a \ud83d b"])
    assert text is not None
    assert text.encode()
