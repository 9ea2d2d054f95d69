"""Repaired text: what the sender meant, whatever encodings it went through. Same text, same result."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence

import ftfy

MAX_CHARACTERS = 10_000
"""Longer texts are cut here, after repair."""

# Repair goes no further than undoing damage: ligatures, widths and compositions stay as written (NFC, not
# NFKC); curly apostrophes become straight, so that rules and near-duplicates need one form.
_REPAIR = ftfy.TextFixerConfig(
    unescape_html=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    fix_line_breaks=False,
    fix_surrogates=True,
    remove_control_chars=False,
    normalization=None,
)
_PLAIN = re.compile(r"[\n -%'-~]*(?:&(?![#A-Za-z])[\n -%'-~]*)*")
"""ASCII without controls and without the beginning of an entity: nothing to repair."""
_LINE_ENDS = re.compile("\r\n?|\x0b|\x0c|\x85|\u2028|\u2029")
_BLANKS = re.compile(r"[^\S\n]+")
_AROUND_LINE_ENDS = re.compile(r" ?\n ?")
_EMPTY_LINES = re.compile(r"\n{3,}")
_JOINER = "\u200d"
_UNTIDY = re.compile(r"  | \n|\n |\n\n\n")


def normalise(texts: Sequence[str | None]) -> list[str | None]:
    """Each text repaired; null for null and for a text of which nothing is left."""
    return [None if text is None else _normalised(text) or None for text in texts]


def _normalised(text: str) -> str:
    # More than enough to cut from later, and a bound on what repair may cost.
    text = text[: 4 * MAX_CHARACTERS]
    if not _PLAIN.fullmatch(text):
        text = _repaired(text)
    if _UNTIDY.search(text):
        text = _AROUND_LINE_ENDS.sub("\n", _BLANKS.sub(" ", text))
        text = _EMPTY_LINES.sub("\n\n", text)
    return text.strip()[:MAX_CHARACTERS].rstrip()


def _repaired(text: str) -> str:
    if "&" in text:
        text = html.unescape(text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", ftfy.fix_text(text, _REPAIR))
    text = _LINE_ENDS.sub("\n", text)
    if not text.isprintable():
        text = "".join(_kept(text, at) for at in range(len(text)))
    return _BLANKS.sub(" ", text)


def _kept(text: str, at: int) -> str:
    """The character, unless it is a control or has no width; a joiner stays between two emoji."""
    character = text[at]
    category = unicodedata.category(character)
    if character == _JOINER:
        joins = 0 < at < len(text) - 1 and all(_is_emoji(text[each]) for each in (at - 1, at + 1))
        return character if joins else ""
    if character in "\n\t" or category not in ("Cc", "Cf", "Cs", "Cn"):
        return character
    # Tags spell out the flags of nations after a black flag.
    return (
        character
        if "\U000e0020" <= character <= "\U000e007f" and "\U0001f3f4" in text[max(0, at - 7) : at]
        else ""
    )


def _is_emoji(character: str) -> bool:
    return unicodedata.category(character) in ("So", "Sk", "Mn", "Me") or character in "♀♂"
