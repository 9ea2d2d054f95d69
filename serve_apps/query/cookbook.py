"""Questions that are ready to be asked: each in words, who asks it, and its SQL over the served views.

`questions/<number>_<name>.sql` is the question: its first line says what is asked, its second who asks.
Every answer has a total order, and is the same from every engine.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

from catalog.errors import BadInput


class Question(NamedTuple):
    """One question; `sql` is in Trino's dialect."""

    name: str
    words: str
    asker: str
    sql: str


@cache
def questions() -> dict[str, Question]:
    """Every question by name, in the order of their numbers."""
    folder = resources.files(__package__) / "questions"
    files = sorted((each for each in folder.iterdir() if each.name.endswith(".sql")), key=lambda f: f.name)
    found = [_question(each.name, each.read_text("utf-8")) for each in files]
    return {each.name: each for each in found}


def question(name: str) -> Question:
    """Raises BadInput for a name that no question has."""
    try:
        return questions()[name]
    except KeyError:
        raise BadInput("no such question", hint="beejan questions lists them") from None


def _question(file: str, text: str) -> Question:
    words, asker, sql = text.split("\n", 2)
    name = file.removesuffix(".sql").partition("_")[2]
    return Question(name, words.removeprefix("-- "), asker.removeprefix("-- Asked by: "), sql.strip())
