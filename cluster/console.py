"""What every command of the console shares: settings, exit codes, documents and tables."""

from __future__ import annotations

import inspect
import json
import logging
import re
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from math import isfinite
from typing import Annotated, Any, get_type_hints

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from catalog import failpoints
from cluster import settings as settings_module
from cluster.settings import Profile, Settings

FORMAT = "%(levelname)s %(name)s: %(message)s"
READABLE = 8
"""Characters that a column needs at least when it folds."""
_ID = re.compile(r"(?:[\w.]+[-_])*[0-9a-f]{12,}(?:[-.]\w+)*")
"""An id, a key id, a hash or the name of a segment."""

OK, FINDING, USAGE, NOT_DURABLE, STOPPED = 0, 1, 2, 3, 4

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


class Repeated(logging.Filter):
    """Lets a line through once; when others follow, it says how often the same one came."""

    def __init__(self) -> None:
        super().__init__()
        self._line = ""
        self._times = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """False for a line that repeats the one before."""
        line = record.getMessage()
        if line == self._line:
            self._times += 1
            return False
        if self._times:
            record.msg, record.args = f"(the line before came {self._times} more times) {line}", ()
        self._line, self._times = line, 0
        return True


def log_to_stderr(with_times: bool = False) -> None:
    """Where every process of ours logs. Lines that repeat are counted, not repeated."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Repeated())
    logging.basicConfig(
        level=logging.WARNING, format=f"%(asctime)s {FORMAT}" if with_times else FORMAT, handlers=[handler]
    )


def with_profile(commands: typer.Typer) -> None:
    """Give every command the option --profile, which goes before BEEJAN_PROFILE."""
    for group in commands.registered_groups:
        if group.typer_instance is not None:
            with_profile(group.typer_instance)
    for each in commands.registered_commands:
        if each.callback is not None:
            each.callback = _under_profile(each.callback)


def _under_profile(command: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(command)
    def run(*, profile: Profile | None, **given: Any) -> Any:
        if profile is not None:
            settings_module.choose(profile)
        return command(**given)

    option = typer.Option(
        "--profile", help="`embedded`: local files. `cluster`: servers. Default: BEEJAN_PROFILE."
    )
    hints = get_type_hints(command, include_extras=True) | {"profile": Annotated[Profile | None, option]}
    known = inspect.signature(command).parameters.values()
    made = inspect.Parameter("profile", inspect.Parameter.KEYWORD_ONLY, default=None)
    shown = [each.replace(annotation=hints[each.name]) for each in (*known, made)]
    run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    run.__annotations__ = hints
    return run


def configured() -> Settings:
    """The settings, with this process's failpoint armed. Who was not told a profile follows what is up at the
    home, or was last: what is asked of a deployment is never done to another store.
    """
    from cluster import up  # its HTTP client takes long to import

    settings = settings_module.read()
    if not settings_module.is_chosen() and (found := up.latest(settings)):
        settings_module.choose(found.profile, found.cluster)
        settings = settings_module.read()
    failpoints.arm(settings.failpoint)
    return settings


def show(document: Any, as_json: bool) -> None:
    """One JSON document for programs, a table of names and values for people."""
    if as_json:
        typer.echo(json.dumps(document, default=str))
    else:
        table(["", ""], [[name, _text(value)] for name, value in document.items()])


def _text(value: Any) -> str:
    if isinstance(value, str | float):
        shown = cell(value)
    else:  # a line each, so that no id in it is broken
        shown = json.dumps(value, default=str, indent=1 if value else None)
    return shown if len(shown) <= 2_000 else shown[:2_000] + " …"


def cells(row: Mapping[str, Any]) -> list[str]:
    """A row's values as a table shows them."""
    return [cell(value) for value in row.values()]


def cell(value: Any) -> str:
    """A value as people read it: of a fraction four significant digits."""
    if isinstance(value, float) and isfinite(value):
        is_small = abs(value) < 1_000 and not value.is_integer()
        return f"{value:.4g}" if is_small else f"{value:.0f}"
    return "null" if value is None else str(value)


def table(columns: list[str], rows: list[list[str]], whole: str = "") -> None:
    """A table for people. No cell is cut off, and none is markup. An id or a hash stays in one piece, to be
    copied, and so do the cells of the column `whole`; the other columns fold. Where that leaves the others
    too little room, each row is shown as lines of name and value."""
    console = Console()
    kept = [
        name == whole != "" or any(_ID.fullmatch(row[i]) for row in rows) for i, name in enumerate(columns)
    ]
    if any(kept) and any(columns) and _least_width(columns, rows, kept) > console.width:
        _print_records(console, columns, rows)
        return
    shown = Table(show_header=any(columns))
    for name, is_kept in zip(columns, kept, strict=True):
        shown.add_column(name, overflow="fold", no_wrap=is_kept and any(columns))
    for row in rows:
        shown.add_row(*map(escape, row))
    console.print(shown)


def _least_width(columns: list[str], rows: list[list[str]], kept: list[bool]) -> int:
    """How wide a table is at least: kept columns whole, of the others as much as can be read."""
    widest = [max(map(len, each)) for each in zip(columns, *rows, strict=True)]
    least = (wide if is_kept else min(wide, READABLE) for wide, is_kept in zip(widest, kept, strict=True))
    return sum(least) + 3 * len(columns) + 1


def _print_records(console: Console, columns: list[str], rows: list[list[str]]) -> None:
    wide = max(map(len, columns))
    for row in rows:
        for name, value in zip(columns, row, strict=True):
            console.print(f"{name:<{wide}}  {value}", markup=False, highlight=False, soft_wrap=True)
        console.print()
