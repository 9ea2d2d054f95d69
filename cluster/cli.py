"""The `beejan` command: tables for people, one JSON document for programs, logs on standard error."""

from __future__ import annotations

import sys
import traceback
from functools import partial
from typing import Annotated, Literal

import typer

from catalog.errors import BadInput, BeejanError, NotDurable, Permanent
from cluster import demo_cli, doors_cli, log_cli, ray_environment, up_cli, views_cli
from cluster.console import (
    FINDING,
    NOT_DURABLE,
    STOPPED,
    USAGE,
    AsJson,
    configured,
    log_to_stderr,
    show,
    table,
    with_profile,
)
from cluster.progress import Progress, ToldStop
from cluster.stack.cli import stack_app
from cluster.stop import Stop

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(log_cli.log_app, name="log")
app.add_typer(doors_cli.keys_app, name="keys")
app.add_typer(views_cli.views_app, name="views")
app.add_typer(stack_app, name="stack")
for command in (
    up_cli.up,
    up_cli.down,
    up_cli.doctor,
    doors_cli.query,
    doors_cli.questions,
    doors_cli.dictionary,
    doors_cli.decide,
    demo_cli.demo,
    log_cli.append,
    log_cli.replay,
):
    app.command()(command)


def _tell_version(is_wanted: bool) -> None:
    if is_wanted:
        from importlib.metadata import version

        typer.echo(f"beejan {version('beejan')}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and end."),
    ] = False,
) -> None:
    """Complaints of a telecom operator: taken in, decided, and asked about in SQL."""


def main() -> None:
    """Run the command; errors become one line and an exit code."""
    log_to_stderr()
    with_profile(app)
    try:
        app(standalone_mode=True)
    except BeejanError as error:
        print(f"beejan: {error}", file=sys.stderr)  # noqa: T201 the one place that speaks to a person
        sys.exit(exit_code(error))
    except OSError as error:
        is_append = sys.argv[1:2] == ["append"]
        rest = ": what has no receipt is not acknowledged, send it again" if is_append else ""
        print(f"beejan: the home cannot be read or written: {error}{rest}", file=sys.stderr)  # noqa: T201
        sys.exit(NOT_DURABLE if is_append else STOPPED)
    except Exception:  # noqa: BLE001 a fault of ours: Python would end with 1, which means a finding
        traceback.print_exc()
        sys.exit(STOPPED)


def exit_code(error: BeejanError) -> int:
    """What an error means to a script."""
    if isinstance(error, NotDurable):
        return NOT_DURABLE
    return USAGE if isinstance(error, Permanent) else STOPPED


@app.command()
def run(
    runtime: Annotated[
        Literal["ray", "plain"], typer.Option(help="Ray actors, or one plain process.")
    ] = "ray",
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="End when everything durable is done.")
    ] = False,
) -> None:
    """Plan, decide, commit and publish what is in the log. A second one on the same home waits its turn."""
    from cluster.checks import is_idle

    settings, progress = configured(), Progress()
    stop = ToldStop(settings, progress) if until_idle else Stop()
    stop.listen()
    if runtime == "plain":
        from cluster import plain as chosen
    else:
        ray_environment.choose()
        from cluster import rayed as chosen  # type: ignore[no-redef]
    try:
        chosen.run(settings, until_idle, stop, partial(is_idle, settings))
    finally:
        progress.end()


@app.command()
def status(as_json: AsJson = False) -> None:
    """How far things are; exit code 4 when something waits for a person, or does not flow."""
    from cluster.presence import living
    from cluster.stores import open_stores
    from cluster.supervisor.outlook import outlook
    from pipelines import status as reader

    settings = configured()
    stores = open_stores(settings)
    found = reader.status(stores.log, stores.plans, stores.head(), stores.clock.now_us())
    stopped = [halt._asdict() for halt in found.stopped]
    seen = outlook(settings, found.oldest_unplanned_s)
    show(found._asdict() | seen._asdict() | {"actors": living(stores.home), "stopped": stopped}, as_json)
    if stopped or seen.trouble:
        raise typer.Exit(STOPPED)


@app.command()
def ledger(as_json: AsJson = False) -> None:
    """received = accepted + duplicate + quarantined + redelivered; exit code 1 when it does not balance."""
    from rich.console import Console

    from cluster.checks import ledger_home
    from cluster.wiring import open_stores

    found = ledger_home(open_stores(configured()))
    if as_json:
        show(found._asdict(), as_json)
    else:
        columns = list(found.total)
        rows = [[name, *map(str, row.values())] for name, row in found.by_channel.items()]
        table(["channel", *columns], [*rows, ["total", *map(str, found.total.values())]])
        Console().print("balanced" if found.balanced else "NOT balanced", f"at commit {found.commit_seq}")
    if not found.balanced:
        raise typer.Exit(FINDING)


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Hold what is stored against what the table's files hold; exit code 1 for any difference."""
    from cluster.checks import verify_home
    from cluster.wiring import open_stores

    report = verify_home(open_stores(configured()))
    show(report._asdict() | {"corrupt": [bad._asdict() for bad in report.corrupt]}, as_json)
    if not report.ok:
        raise typer.Exit(FINDING)


@app.command()
def redecide(as_json: AsJson = False) -> None:
    """Decide every recorded plan again and compare with the table; exit code 1 for any difference."""
    from cluster.checks import redecide_home

    found = redecide_home(configured())
    show(found._asdict(), as_json)
    if not found.ok:
        raise typer.Exit(FINDING)


@app.command()
def event(event_id: Annotated[str, typer.Argument(help="32 hex digits.")], as_json: AsJson = False) -> None:
    """Where one event is and what became of it; exit code 1 when nothing here knows it."""
    from cluster.checks import find_event
    from cluster.wiring import open_stores

    if len(event_id) != 32 or not set(event_id) <= set("0123456789abcdef"):
        raise BadInput("not an event id", hint="32 lower-case hex digits, as in the receipt")
    found = find_event(open_stores(configured()), event_id)
    show(found, as_json)
    if found["state"] == "unknown":
        raise typer.Exit(FINDING)


@app.command()
def migrate(
    to: Annotated[str, typer.Option(help="A revision, older or newer; the newest when left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Bring the control database to a revision, when nothing runs on it: up after an update, down before an
    older version runs again."""
    from catalog import sql
    from catalog.control.migrate import migrate as move
    from cluster.home import Home
    from cluster.places import places

    settings = configured()
    Home(settings.home).make()
    show(move(sql.engine(places(settings).control_url), to or None)._asdict(), as_json)


@app.command(name="failpoints")
def list_failpoints(as_json: AsJson = False) -> None:
    """Where a process can be made to die, stop or fail, and what dying there leaves behind."""
    from catalog import failpoints

    points = [point._asdict() for point in failpoints.REGISTRY.values()]
    if as_json:
        show([point | {"actions": list(failpoints.ACTIONS)} for point in points], as_json)
    else:
        table(["name", "step", "leaves"], [list(point.values()) for point in points])
        table(["action", "meaning"], [list(action) for action in failpoints.ACTIONS.items()])


if __name__ == "__main__":
    main()
