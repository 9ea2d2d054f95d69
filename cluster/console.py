"""What every command of the console shares: settings, exit codes, documents and tables."""

from __future__ import annotations

import inspect
import json
import logging
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from catalog import failpoints
from cluster import settings as settings_module
from cluster import up
from cluster.settings import Profile, Settings

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
OK, FINDING, USAGE, NOT_DURABLE, STOPPED = 0, 1, 2, 3, 4

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


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


def log_to_stderr() -> None:
    """Where every process of ours logs. Lines that repeat are counted, not repeated."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Repeated())
    logging.basicConfig(level=logging.WARNING, format=FORMAT, handlers=[handler])


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

    option = typer.Option("--profile", help="Local files, or servers; else BEEJAN_PROFILE says.")
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
    shown = value if isinstance(value, str) else json.dumps(value, default=str)
    return shown if len(shown) <= 2_000 else shown[:2_000] + " …"


def cells(row: Mapping[str, Any]) -> list[str]:
    """A row's values as a table shows them."""
    return ["null" if value is None else str(value) for value in row.values()]


def table(columns: list[str], rows: list[list[str]], whole: str = "") -> None:
    """A table for people; no cell is cut off, none is markup, and those of the column `whole` stay in one
    line, to be copied."""
    made = (Column(name, overflow="fold", no_wrap=bool(name) and name == whole) for name in columns)
    shown = Table(*made, show_header=any(columns))
    for row in rows:
        shown.add_row(*map(escape, row))
    Console().print(shown)
