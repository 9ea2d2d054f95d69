"""Every way to write a phrase in which some words and letters may be missing or one of several."""

from __future__ import annotations

_MOST = 5_000
"""Spellings of one phrase: more would be a mistake."""


def spellings(phrase: str) -> set[str]:
    """Every way to write a phrase without regular expressions. Raises ValueError for none or too many."""
    found, rest = _alternatives(phrase.replace("'", "'?"))
    if rest or not any(found):
        raise ValueError("a bracket too many, or nothing to find")
    return {words.strip() for words in found if words.strip()}


def _alternatives(rest: str) -> tuple[set[str], str]:
    """The spellings up to a closing bracket or the end, and what is left from there."""
    found: set[str] = set()
    sequence = {""}
    while rest and rest[0] != ")":
        if rest[0] == "|":
            found, sequence, rest = found | sequence, {""}, rest[1:]
            continue
        if rest[0] == "(":
            options, rest = _alternatives(rest[1:])
            if not rest:
                raise ValueError("a bracket is not closed")
        else:
            options = {rest[0]}
        rest = rest[1:]
        if rest.startswith("?"):
            options, rest = {*options, ""}, rest[1:]
        sequence = {before + after for before in sequence for after in options}
        if len(sequence) > _MOST:
            raise ValueError("too many spellings")
    return found | sequence, rest
