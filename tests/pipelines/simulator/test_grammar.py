"""Phrases are said as they are written, and a phrase that cannot be read is refused."""

from pathlib import Path
from random import Random

import pytest

from pipelines import simulator
from pipelines.simulator.grammar import Grammar, parse

PHRASES = sorted((Path(simulator.__file__).parent / "phrases").glob("*.txt"))


def grammar(tmp_path: Path, text: str) -> Grammar:
    path = tmp_path / "phrases.txt"
    path.write_text(text, encoding="utf-8")
    return Grammar([path], {"last": ["Eze"]})


def said(tmp_path: Path, text: str, name: str, register: str = "en") -> set[str]:
    draw = Random(1).random
    facts = {"CITY": "Aba"}
    phrases = grammar(tmp_path, text)
    return {phrases.say(name, register, draw, facts.get) for _ in range(200)}


@pytest.mark.parametrize(
    ("text", "everything"),
    [
        ("[a]\nno (signal|bars) here", {"no signal here", "no bars here"}),
        ("[a]\n(x|(y|z)1|)", {"x", "y1", "z1", ""}),
        ("[a]\n{2-4}GB", {"2GB", "3GB", "4GB"}),
        ("[a]\nin {CITY}, {b}\n[b]\n{last}", {"in Aba, Eze"}),
        ("[a]\nx\n# not a phrase\n\n#tag", {"x", "#tag"}),
    ],
)
def test_everything_a_phrase_can_say_is_said(tmp_path: Path, text: str, everything: set[str]) -> None:
    assert said(tmp_path, text, "a") == everything


@pytest.mark.parametrize(("register", "expected"), [("pcm", "abeg"), ("en", "please"), ("note", "please")])
def test_a_register_has_its_own_phrases_or_speaks_english(
    tmp_path: Path, register: str, expected: str
) -> None:
    assert said(tmp_path, "[a.en]\nplease\n[a.pcm]\nabeg", "a", register) == {expected}


def test_a_section_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="nowhere"):
        said(tmp_path, "[a]\n{nowhere}", "a")


@pytest.mark.parametrize("phrase", ["(a", "a)", "a|b", "{a", "{a b}", "a}", "((a|b)"])
def test_a_phrase_that_cannot_be_read_is_refused(phrase: str) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        parse(phrase)


def test_every_shipped_phrase_reads_and_no_two_are_the_same() -> None:
    for path in PHRASES:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and line[0] != "["]
        phrases = [line for line in lines if not line.startswith("# ") and line != "(||)"]
        assert all(parse(line) for line in phrases)
        assert sorted(set(phrases)) == sorted(phrases)
