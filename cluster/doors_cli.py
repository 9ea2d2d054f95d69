"""Commands of the doors: keys, query, questions, dictionary, decide."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from catalog.clock import SystemClock, to_datetime
from catalog.errors import BadInput
from cluster.console import AsJson, cells, configured, show, table

if TYPE_CHECKING:
    from catalog.control.keys import Key

keys_app = typer.Typer(no_args_is_help=True, help="API keys: who may send events, and who may ask questions.")


def query(
    sql: Annotated[
        str,
        typer.Argument(
            help="One SELECT over the views, in Trino's dialect. `beejan dictionary` lists the views."
        ),
    ] = "",
    question: Annotated[
        str,
        typer.Option(
            "--question", help="The name of a ready question, from `beejan questions`, instead of SQL."
        ),
    ] = "",
    form: Annotated[
        Literal["table", "json", "csv"], typer.Option("--format", help="How the answer is printed.")
    ] = "table",
    rows: Annotated[int, typer.Option("--rows", min=1, help="The most rows to print.")] = 1_000,
    role: Annotated[
        str,
        typer.Option(
            "--role",
            help="Who asks: `analyst`, `operations`, `finance` or `compliance`.",
        ),
    ] = "analyst",
) -> None:
    """Ask one question in SQL over the tables of this home. Nothing needs to be running."""
    from cluster.places import places

    settings = configured()
    if trino := places(settings).trino:
        trino.require_answer()
    from cluster.query_side import open_engine
    from serve_apps.query.answers import CSV, FORMATS, JSON
    from serve_apps.query.answers import rows as rows_of
    from serve_apps.query.cookbook import question as named
    from serve_apps.query.engine.port import ROLES, Limits
    from serve_apps.query.roles import emptied, seeing

    if role not in ROLES:
        raise BadInput("no such role", hint="one of " + ", ".join(ROLES), role=role)
    if bool(sql) == bool(question):
        raise BadInput("give either SQL or --question", hint="`beejan questions` lists the questions")
    sql = sql or named(question).sql
    with closing(open_engine(settings)) as engine:
        answer = engine.query(sql, (), role, Limits(rows=rows))
    if columns := emptied(sql, role):
        others = " or ".join(f"--role {each}" for each in seeing(columns))
        empty = f"{' and '.join(columns)} {'is' if len(columns) == 1 else 'are'} empty for {role}"
        typer.echo(f"note: {empty}, so the answer may be wrong or incomplete; ask with {others}", err=True)
    if form == "json":
        typer.echo(FORMATS[JSON](answer, None).decode())
    elif form == "csv":
        typer.echo(FORMATS[CSV](answer, None).decode(), nl=False)
    else:
        table(answer.table.column_names, [cells(row) for row in rows_of(answer.table)])
        typer.echo(f"as of commit {answer.as_of_seq}" + (", truncated" if answer.truncated else ""))


def questions(as_json: AsJson = False) -> None:
    """List the ready questions, for `beejan query --question NAME`."""
    from serve_apps.query.cookbook import questions as ready

    if as_json:
        show([each._asdict() for each in ready().values()], True)
    else:
        table(["question", "in words", "asked by"], [[*each[:3]] for each in ready().values()], "question")


def dictionary(view: Annotated[str, typer.Argument(help="One view. All of them if not given.")] = "") -> None:
    """List the views and their columns, with types and meanings."""
    from serve_apps.query.roles import dictionary as words

    views = {each["name"]: each for each in words("analyst")["views"]}
    if view and view not in views:
        raise BadInput("no such view", hint="views: " + ", ".join(sorted(views)))
    for name in [view] if view else views:
        typer.echo(f"{name}: {views[name]['meaning']}")
        columns = [[one["name"], one["type"], one["meaning"]] for one in views[name]["columns"]]
        table(["column", "type", "meaning"], columns)


def decide(
    file: Annotated[
        Path, typer.Argument(help="A file with one JSON object a line: id, channel, text, received_at, …")
    ],
    out: Annotated[Path, typer.Option("--out", help="The file to write, one decision a line.")],
) -> None:
    """Try the current rules on a file of texts. Nothing is stored."""
    from cluster.wiring import bundle_in_force, stages
    from pipelines.decide import decisions

    settings = configured()
    pure = stages(settings, bundle_in_force(settings)).pure
    try:
        with file.open("rb") as lines, out.open("wb") as made:
            for decision in decisions(lines, lambda b: pure(b, frozenset(), {}), SystemClock().now_us()):
                made.write(decision + b"\n")
    except OSError as error:
        raise BadInput(
            "a file cannot be opened", hint=str(error.strerror), file=str(error.filename)
        ) from None


@keys_app.command()
def create(
    source: Annotated[
        str, typer.Argument(help="A name for the sending system, or for the person or program that asks.")
    ],
    channel: Annotated[
        list[str] | None,
        typer.Option("--channel", help="A channel it may send to. Can be given several times."),
    ] = None,
    role: Annotated[
        str,
        typer.Option(
            "--role", help="`ingest` may send; `analyst`, `operations`, `finance` and `compliance` may ask."
        ),
    ] = "ingest",
    as_json: AsJson = False,
) -> None:
    """Create a key. Its token is printed once, on standard output, and cannot be shown again."""
    from catalog.contracts.registry import CHANNELS

    if unknown := sorted(set(channel or ()) - set(CHANNELS)):
        raise BadInput("no such channel: " + ", ".join(unknown), hint="one of " + ", ".join(CHANNELS))
    _tell(_keys().create(source, channel or (), role), as_json)


@keys_app.command()
def rotate(
    key_id: str,
    grace_s: Annotated[
        float,
        typer.Option(
            "--grace-s", min=0, max=366 * 86_400, help="Seconds for which the old token still works."
        ),
    ] = 3_600.0,
    as_json: AsJson = False,
) -> None:
    """Replace a key by a new one like it. The old token still works for a while."""
    _tell(_keys().rotate(key_id, grace_s), as_json)


@keys_app.command()
def revoke(key_id: str) -> None:
    """Make a key invalid, at once and for good."""
    _keys().revoke(key_id)


@keys_app.command(name="list")
def list_keys(as_json: AsJson = False) -> None:
    """List all keys, also revoked ones. Tokens are never shown."""
    found: list[Key] = list(_keys().list())
    if as_json:
        show([key._asdict() for key in found], True)
    else:
        now_us = SystemClock().now_us()
        rows = [
            [
                key.key_id,
                key.source,
                key.role,
                ", ".join(key.channels),
                _day(key.created_us),
                _state(key, now_us),
            ]
            for key in found
        ]
        table(["key_id", "source", "role", "channels", "created", "state"], rows)


@keys_app.command()
def reads(
    rows: Annotated[int, typer.Option("--rows", min=1, help="At most so many, the newest.")] = 1_000,
    as_json: AsJson = False,
) -> None:
    """Who read an event as it was received: the key, the event, and when; the newest first."""
    from catalog.control.originals import OriginalReads
    from catalog.control.schema import open_control
    from cluster.places import places

    found = OriginalReads(open_control(places(configured()).control_url), SystemClock()).list(rows)
    if as_json:
        show([read._asdict() for read in found], True)
    else:
        shown = [[each.key_id, each.event_id, f"{to_datetime(each.read_us):%F %T} UTC"] for each in found]
        table(["key_id", "event_id", "read"], shown)


def _state(key: Key, now_us: int) -> str:
    if key.revoked_us is not None:
        return f"revoked {_day(key.revoked_us)}"
    if key.expires_us is not None:
        return f"{'valid until' if key.is_valid(now_us) else 'ended'} {_day(key.expires_us)}"
    return "valid"


def _day(time_us: int) -> str:
    return f"{to_datetime(time_us):%F %R} UTC"


def _tell(minted: Any, as_json: bool) -> None:
    if as_json:
        show(minted._asdict(), True)
    else:  # so that a shell can take the token: KEY=$(beejan keys create …)
        typer.echo(f"key {minted.key_id}; keep its token, it is shown this once", err=True)
        typer.echo(minted.token)


def _keys() -> Any:
    from cluster.stores import open_keys

    return open_keys(configured())
