"""Commands of the doors: up, down, keys, query, decide, and the demonstration day."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from catalog.clock import SystemClock, to_datetime
from catalog.errors import BadInput
from cluster import up as background
from cluster.console import AsJson, cells, configured, show, table
from cluster.settings import PROFILES, Settings
from cluster.stop import Stop

if TYPE_CHECKING:
    from catalog.control.keys import Key

REPORT = Path("demo-report.jsonl")
INTERRUPTED = 130
"""What a shell says of a command that Ctrl-C ended."""

keys_app = typer.Typer(no_args_is_help=True, help="Keys of the doors.")


def up(
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay in this process.")] = False,
) -> None:
    """Start everything on this machine: Ray, the flow, the doors. `beejan down` stops it."""
    settings = configured()
    if foreground:
        _hold(settings)
        return
    is_new = _start(settings)
    at = background.address(settings)
    typer.echo(f"{'up' if is_new else 'up already'} at {at}")
    typer.echo(f"  events     POST {at}/v1/CHANNEL/events\n  questions  POST {at}/v1/sql")
    if jdbc := _jdbc(settings):
        typer.echo(f"  JDBC       {jdbc}")
    typer.echo("  keys       beejan keys create SOURCE --channel CHANNEL\n  stop       beejan down")


def _jdbc(settings: Settings) -> str:
    """Where a JDBC client asks Trino; nothing where there is none."""
    from cluster.places import places

    trino = places(settings).trino
    if trino is None:
        return ""
    address = trino.address.removeprefix("https://")
    return f"jdbc:trino://{address}/lake/served?SSL=true&SSLTrustStorePath={trino.certificate}"


def _start(settings: Settings, **defaults: str) -> bool:
    """Start it and wait, with a word about the wait; False when it was up already."""
    if background.running(settings) is None:
        if settings.profile != PROFILES[0]:
            from cluster.wiring import open_keys

            open_keys(settings)  # a server that is away is told here, not in the log of what was started
        typer.echo("starting Ray and the doors: 10 to 30 seconds", err=True)
    return background.start(settings, **defaults)


def _hold(settings: Settings) -> None:
    from cluster import rayed, serving

    stopping = Stop()
    stopping.listen()
    with background.held(settings), serving.proxy_chosen():
        doors = rayed.Doors(partial(serving.open_doors, settings), serving.close_doors)
        # Nobody who holds a home up gives up waiting for another sequencer to end.
        rayed.run(settings, False, stopping, lambda: False, doors)


def down() -> None:
    """Stop in order: the doors take nothing more, what is durable is decided, nothing is lost."""
    typer.echo("stopped" if background.stop(configured()) else "was not up")


def query(
    sql: Annotated[str, typer.Argument(help="One SELECT in Trino's dialect over the served views.")] = "",
    question: Annotated[str, typer.Option("--question", help="One of `beejan questions` instead.")] = "",
    form: Annotated[Literal["table", "json", "csv"], typer.Option("--format")] = "table",
    rows: Annotated[int, typer.Option("--rows", min=1, help="At most so many rows.")] = 1_000,
) -> None:
    """Ask the tables of this home, as an analyst; needs nothing running."""
    from cluster.places import places

    settings = configured()
    if trino := places(settings).trino:
        trino.require_answer()
    from cluster.query_side import open_engine
    from serve_apps.query.answers import CSV, FORMATS, JSON
    from serve_apps.query.answers import rows as rows_of
    from serve_apps.query.cookbook import question as named
    from serve_apps.query.engine.port import Limits

    if bool(sql) == bool(question):
        raise BadInput("a query or a question, one of them", hint="beejan questions lists the questions")
    sql = sql or named(question).sql
    with closing(open_engine(settings)) as engine:
        answer = engine.query(sql, (), "analyst", Limits(rows=rows))
    if form == "json":
        typer.echo(FORMATS[JSON](answer, None).decode())
    elif form == "csv":
        typer.echo(FORMATS[CSV](answer, None).decode(), nl=False)
    else:
        table(answer.table.column_names, [cells(row) for row in rows_of(answer.table)])
        typer.echo(f"as of commit {answer.as_of_seq}" + (", truncated" if answer.truncated else ""))


def questions(as_json: AsJson = False) -> None:
    """What is ready to be asked with `beejan query --question NAME`, and who asks it."""
    from serve_apps.query.cookbook import questions as ready

    if as_json:
        show([each._asdict() for each in ready().values()], True)
    else:
        table(["question", "in words", "asked by"], [[*each[:3]] for each in ready().values()], "question")


def dictionary(view: Annotated[str, typer.Argument(help="One view; all of them unless given.")] = "") -> None:
    """What can be asked: every column of every view, its type and what it means."""
    from serve_apps.query.roles import dictionary as words

    views = {each["name"]: each for each in words("analyst")["views"]}
    if view and view not in views:
        raise BadInput("no such view", hint="views: " + ", ".join(sorted(views)))
    for name in [view] if view else views:
        typer.echo(f"{name}: {views[name]['meaning']}")
        columns = [[one["name"], one["type"], one["meaning"]] for one in views[name]["columns"]]
        table(["column", "type", "meaning"], columns)


def decide(
    file: Annotated[Path, typer.Argument(help="JSON lines: id, channel, text, received_at, …")],
    out: Annotated[Path, typer.Option("--out", help="Where the decisions go, one a line.")],
) -> None:
    """Decide texts with the rules in force and store nothing."""
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
    source: Annotated[str, typer.Argument(help="Name of the producing system, or of who asks.")],
    channel: Annotated[list[str] | None, typer.Option("--channel", help="A channel it may send to.")] = None,
    role: Annotated[
        str,
        typer.Option(
            "--role", help="`ingest`, or as whom to ask: `analyst`, `operations`, `finance`, `compliance`."
        ),
    ] = "ingest",
    as_json: AsJson = False,
) -> None:
    """Make a key. Its token goes to standard output, this once."""
    from catalog.contracts.registry import CHANNELS

    if unknown := sorted(set(channel or ()) - set(CHANNELS)):
        raise BadInput("no such channel: " + ", ".join(unknown), hint="one of " + ", ".join(CHANNELS))
    _tell(_keys().create(source, channel or (), role), as_json)


@keys_app.command()
def rotate(
    key_id: str,
    grace_s: Annotated[
        float, typer.Option("--grace-s", min=0, max=366 * 86_400, help="How long the old token goes on.")
    ] = 3_600.0,
    as_json: AsJson = False,
) -> None:
    """Make a new key like this one, which itself goes on for a while. Its token goes to standard output."""
    _tell(_keys().rotate(key_id, grace_s), as_json)


@keys_app.command()
def revoke(key_id: str) -> None:
    """End a key for ever."""
    _keys().revoke(key_id)


@keys_app.command(name="list")
def list_keys(as_json: AsJson = False) -> None:
    """Every key ever made; never a token."""
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
    from cluster.wiring import open_keys

    return open_keys(configured())


def demo(
    events: Annotated[int, typer.Option("--events", help="Events of the simulated day.")] = 40_000,
    stay: Annotated[bool, typer.Option("--stay", help="Leave everything up afterwards.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Another seed is another day.")] = 1,
    input_: Annotated[Path | None, typer.Option("--input", help="A CSV file of real texts instead.")] = None,
    mapping: Annotated[Path | None, typer.Option("--mapping", help="What its columns mean.")] = None,
    report: Annotated[Path, typer.Option("--report", help="Where each record's fate goes.")] = REPORT,
) -> None:
    """See it work: a day of complaints in through the doors, decided, and asked about."""
    from cluster import demo as day

    if (input_ is None) != (mapping is None):
        raise BadInput("a file needs its mapping, and a mapping its file", hint="give both or none")
    settings, console = configured(), Console()
    began_s = time.monotonic()
    if input_ is not None and mapping is not None:
        sent, records = day.posts(input_, mapping)
    else:
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        sent, records = list(day.simulated(seed, events, yesterday)), []
    _raise_servers(settings, console)
    try:
        with _held_up(settings, console, stay):
            console.print(f"up at {background.address(settings)} after {time.monotonic() - began_s:.0f} s")
            if jdbc := _jdbc(settings):
                console.print(f"and SQL at {jdbc}", soft_wrap=True)
            _play(settings, console, sent, records, report)
            console.print(f"from start to answers: {time.monotonic() - began_s:.0f} s")
    except KeyboardInterrupt:
        console.print("interrupted: what was acknowledged is kept and decided")
        raise typer.Exit(INTERRUPTED) from None


def _raise_servers(settings: Settings, console: Console) -> None:
    """Those of this machine, where the profile wants any and names no others; they stay afterwards."""
    if settings.profile == "cluster" and settings.cluster.absolute() == settings.stack_places:
        from cluster.stack.cli import start

        started = ", ".join(start(settings)) or "up already"
        console.print(f"the servers: {started}; they stay until `beejan stack down`")


@contextmanager
def _held_up(settings: Settings, console: Console, stay: bool) -> Iterator[None]:
    """Started, unless it was up; what was started here stops afterwards, or stays when all went well."""
    from cluster.demo import CURATE_S

    is_staying = not _start(settings, BEEJAN_CURATE_S=CURATE_S)
    if is_staying:
        console.print("it was up already: the answers wait for the next build of the curated table")
    try:
        yield
        is_staying |= stay
    finally:
        if is_staying:
            at = background.address(settings)
            console.print(f"still up at {at}: `beejan keys create`, `beejan query SQL`, `beejan down`")
        else:
            background.stop(settings)
            is_local = settings.profile == "embedded"
            where, told = (settings.home, "") if is_local else ("the servers", "--profile cluster ")
            console.print(f"stopped; its data stays in {where}: `beejan query {told}SQL`")


def _play(settings: Settings, console: Console, sent: list[Any], records: list[Any], report: Path) -> None:
    from cluster import demo as day

    began_s, state = time.monotonic(), {"sent": 0, "acknowledged": 0}
    with day.doors(settings, background.address(settings), {one.source for one in sent}) as client:
        before = day.ledger(client)
        with Live(console=console, auto_refresh=False, transient=not console.is_terminal) as live:

            def told(total: int, acknowledged: int) -> None:
                state.update(sent=total, acknowledged=acknowledged)
                live.update(_progress(state, None, began_s), refresh=console.is_terminal)

            counted = day.stream(client, sent, told)
            after = day.watch(
                client,
                before,
                counted["acknowledged"],
                lambda found: live.update(
                    _progress(state, day.since(before, found), began_s), refresh=console.is_terminal
                ),
            )
        console.print(_progress(state, day.since(before, after), began_s))
        share = counted["batched"] / max(1, counted["sent"])
        console.print(f"{share:.1%} through events:batch, the rest one by one")
        if refused := counted["sent"] - counted["acknowledged"]:
            console.print(f"{refused} refused by the doors and not stored, as an id used again is")
        if records:
            ended = day.report(client, sent[0].source if sent else "", records, report)
            table(["what happened", "records"], [[how, str(count)] for how, count in ended.most_common()])
            console.print(f"{sum(ended.values())} of {len(records)} records accounted for in {report}")
        for title, sql in day.QUESTIONS.items():
            answer = client.ask(sql)
            console.rule(title)
            console.print(sql, style="dim", soft_wrap=True)
            columns = [column["name"] for column in answer["columns"]]
            table(columns, [cells(row) for row in answer["rows"]])
            console.print(f"as of commit {answer['as_of_seq']}", style="dim")


def _progress(state: dict[str, int], found: Any, began_s: float) -> Table:
    columns = ("sent", "acknowledged", "committed", "accepted", "duplicate", "quarantined", "redelivered")
    shown = Table(*columns, "lag", "s", box=None, padding=(0, 1, 0, 0))  # as wide as a terminal is at least
    seconds = f"{time.monotonic() - began_s:.0f}"
    if found is None:
        shown.add_row(str(state["sent"]), str(state["acknowledged"]), *["…"] * 6, seconds)
    else:
        lag = state["acknowledged"] - found.received
        outcomes = (found.received, found.accepted, found.duplicate, found.quarantined, found.redelivered)
        shown.add_row(str(state["sent"]), str(state["acknowledged"]), *map(str, outcomes), str(lag), seconds)
    return shown
