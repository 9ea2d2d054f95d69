"""The generated parts of the README: `python -m tests.readme` writes them, a test compares them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from catalog.tables import REASONS, TABLES
from cluster.settings import Settings

README = Path(__file__).parents[1] / "README.md"


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    lines = [list(columns), ["---"] * len(list(columns)), *map(list, rows)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def generated() -> dict[str, str]:
    """Each generated part by its marker."""
    settings = [
        (
            f"`{spec.metadata['name']}`",
            f"`{spec.default}`" if spec.default != "" else "",
            spec.metadata["meaning"],
        )
        for spec in fields(Settings)
    ]
    tables = [
        f"`{spec.name}`"
        + (f", partitioned by {' and '.join(spec.partition_by)}" if spec.partition_by else "")
        + "\n\n"
        + table(
            ("column", "type", "meaning"),
            (
                (f"`{c.name}`", c.type if c.required else f"{c.type}, may be null", c.meaning)
                for c in spec.columns
            ),
        )
        for spec in TABLES.values()
    ]
    return {
        "reasons": table(("reason", "meaning"), ((f"`{name}`", text) for name, text in REASONS.items())),
        "settings": table(("setting", "default", "meaning"), settings),
        "tables": "\n\n".join(tables),
    }


def written(readme: str) -> str:
    """The README with its generated parts as they should be."""
    for name, content in generated().items():
        head, begin, rest = readme.partition(f"<!-- {name} -->\n")
        _, end, tail = rest.partition(f"<!-- end of {name} -->")
        readme = f"{head}{begin}{content}\n{end}{tail}"
    return readme


if __name__ == "__main__":
    README.write_text(written(README.read_text()))
