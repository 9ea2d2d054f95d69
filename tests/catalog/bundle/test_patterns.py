"""What a pattern in the rule file means, as its header says."""

import pytest

from catalog.bundle.patterns import BadPattern, Phrases, spellings


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("no network", "There is NO  network", None),
        ("no network", "There is NO\nnetwork", "NO\nnetwork"),
        ("no network", "no networks", None),
        ("no networks?", "no network.", "no network"),
        ("no (net|signal)(s)?", "no signals", "no signals"),
        ("can't load", "it cant load", "cant load"),
        ("can't load", "it can't load", "can't load"),
        ("wi-?fi", "the wi-fi, it", "wi-fi"),
        ("broken", "@three_is_broken", None),
        ("phone", "call <PHONE>", None),
        ("network .. bad", "network is so bad", "network is so bad"),
        ("network .. bad", "network is so very very bad", None),
        ("network … bad", "network is so very very bad", "network is so very very bad"),
        ("network … bad", "good network. Bad day", None),
        ("bad … network", "network is bad", None),
        ("a .. b .. c", "a x b, a b x c", "a x b, a b x c"),
        ("^rt @", "RT @x", "RT @"),
        ("^good$", "good", "good"),
        ("^good$", "good app", None),
        ("[0-9]+ ?gb", "my 10GB gone", "10GB"),
        ("(😡|🤬)", "naïve 😡", "😡"),
        ("slow", "naïve but slow", "slow"),
        ("down", "down", "down"),
    ],
)
def test_a_pattern_finds(pattern: str, text: str, found: str | None) -> None:
    hits = Phrases([pattern]).find(text)
    assert [text[hit.start : hit.end] for hit in hits] == ([found] if found else [])


def test_many_patterns_are_told_apart_in_order_of_the_text() -> None:
    hits = Phrases(["slow", "network", "network .. slow", "fast"]).find("my network is slow")
    assert [(hit.pattern, hit.start, hit.end) for hit in hits] == [(1, 3, 10), (2, 3, 18), (0, 14, 18)]


def test_no_patterns_find_nothing() -> None:
    assert Phrases([]).find("anything") == []


def test_spellings_of_nested_alternatives() -> None:
    assert spellings("(a(b|c)?|d) e's") == {
        "ab es",
        "ac es",
        "a es",
        "d es",
        "ab e's",
        "ac e's",
        "a e's",
        "d e's",
    }


@pytest.mark.parametrize("bad", ["(a", "a)", "()", "[a", "a+*", "a" + "(b|c)" * 20])
def test_a_bad_pattern_is_named_by_its_number(bad: str) -> None:
    with pytest.raises(BadPattern) as caught:
        Phrases(["good", "good .. day", f"x .. {bad}"])
    assert caught.value.number == 2
