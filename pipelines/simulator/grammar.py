"""The phrase grammar: sections of phrases, one a line, read from text files.

In a phrase `(a|b|)` is one of its alternatives, `{name}` a phrase of that section or a fact that the caller
supplies, `{2-9}` a number. `[name.register]` is a section for one register of speech.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

# Literal text, a slot's (name,), a number's (first, count), or the alternatives of a choice.
Node: TypeAlias = "str | tuple[str] | tuple[int, int] | Choice"
Choice: TypeAlias = "list[list[Node]]"
_TOKEN = re.compile(r"([(|)])|\{(\d+)-(\d+)\}|\{([A-Za-z_]+)\}|([^(){}|]+)|(.)")


def parse(phrase: str) -> list[Node]:
    """The nodes of one phrase. Raises ValueError where its brackets do not match."""
    stack: list[Choice] = [[[]]]
    for mark, low, high, name, literal, wrong in _TOKEN.findall(phrase):
        if mark == "(":
            stack.append([[]])
        elif mark == "|" and len(stack) > 1:
            stack[-1].append([])
        elif mark == ")" and len(stack) > 1:
            choice = stack.pop()
            stack[-1][-1].append(choice)
        elif mark or wrong:
            raise ValueError(f"phrase cannot be read: {phrase}")
        else:
            stack[-1][-1].append(literal or ((name,) if name else (int(low), int(high) - int(low) + 1)))
    if len(stack) > 1:
        raise ValueError(f"phrase cannot be read: {phrase}")
    return stack[0][0]


class Grammar:
    """All sections; says one phrase at a time."""

    def __init__(self, paths: Iterable[Path], lists: Mapping[str, list[str]]) -> None:
        """From phrase files, and plain word lists that become sections."""
        self._sections: dict[str, Choice] = {
            name: [[word] for word in words] for name, words in lists.items()
        }
        for path in paths:
            name = ""
            for line in path.read_text(encoding="utf-8").splitlines():
                if line.startswith("["):
                    name = line.strip("[]")
                elif line and not line.startswith("# "):
                    self._sections.setdefault(name, []).append(parse(line))

    def section(self, name: str, register: str) -> Choice:
        """The phrases of `name` in `register`, else for all, else in English. Raises KeyError."""
        names = (f"{name}.{register}", name, f"{name}.en")
        return self._sections[next((key for key in names if key in self._sections), name)]

    def say(
        self, name: str, register: str, draw: Callable[[], float], fact: Callable[[str], str | None]
    ) -> str:
        """One phrase; `draw` gives numbers from 0 to 1, `fact` fills the slots it knows."""
        out: list[str] = []

        def walk(choice: Choice) -> None:
            for node in choice[int(draw() * len(choice))]:
                if isinstance(node, str):
                    out.append(node)
                elif isinstance(node, list):
                    walk(node)
                elif len(node) == 2:
                    out.append(str(node[0] + int(draw() * node[1])))
                elif (said := fact(node[0])) is None:
                    walk(self.section(node[0], register))
                else:
                    out.append(said)

        walk(self.section(name, register))
        return "".join(out)
