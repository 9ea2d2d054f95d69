"""The `beejan` command: tables for people, one JSON document for programs, logs on standard error."""

from __future__ import annotations

import sys
import traceback
from functools import partial
from typing import Annotated, Any, Literal

import typer

from catalog.errors import BadInput, BeejanError, NotDurable, Permanent, Transient
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
from cluster.settings import Settings
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
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Complaints of a telecom operator: taken in, decided, and asked about in SQL."""


def main() -> None:
    """Run the command; errors become one line and an exit code."""
    log_to_stderr(with_times="--foreground" in sys.argv)
    with_profile(app)
    try:
        app(standalone_mode=True)
    except BeejanError as error:
        print(f"beejan: {error}", file=sys.stderr)  # noqa: T201 the one place that speaks to a person
        sys.exit(exit_code(error))
    except OSError as error:
        is_append = sys.argv[1:2] == ["append"]
        rest = ". Lines without a receipt are not stored: send them again" if is_append else ""
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
        Literal["ray", "plain"], typer.Option(help="`ray` runs Ray actors, `plain` one process.")
    ] = "ray",
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="Exit when everything in the log is committed.")
    ] = False,
) -> None:
    """Decide and commit the events in the log. A second `run` on the same home waits until the first ends."""
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
    """Show how far the home is. Exit code 4: something does not flow, waits for a person, or is away."""
    from cluster import servers
    from cluster.home import Home
    from cluster.places import places
    from cluster.presence import living
    from cluster.supervisor.outlook import outlook

    settings = configured()
    found = servers.states(places(settings))
    known: dict[str, object] = {
        "profile": str(settings.profile),
        "home": str(settings.home.absolute()),
        "actors": living(Home(settings.home)),
        "servers": [each._asdict() for each in found],
    }
    oldest_s: float | None = None
    try:
        servers.require(found)
        progress = _progress(settings)
        oldest_s = progress["oldest_unplanned_s"]
        known = progress | known
    except Transient as error:
        known |= {"error": str(error)}
    seen = outlook(settings, oldest_s)
    known |= seen._asdict()
    show(known, as_json)
    if known.get("stopped") or "error" in known or servers.away(found) or seen.trouble:
        raise typer.Exit(STOPPED)


def _progress(settings: Settings) -> dict[str, Any]:
    from cluster.stores import open_stores
    from pipelines import status as reader

    stores = open_stores(settings)
    found = reader.status(stores.log, stores.plans, stores.head(), stores.clock.now_us())
    return found._asdict() | {"stopped": [halt._asdict() for halt in found.stopped]}


@app.command()
def ledger(as_json: AsJson = False) -> None:
    """Show what became of everything received, by channel. Exit code 1: the sums do not balance."""
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
    """Compare the stored events with the rows of the table. Exit code 1: they differ."""
    from cluster.checks import verify_home
    from cluster.wiring import open_stores

    report = verify_home(open_stores(configured()))
    show(report._asdict() | {"corrupt": [bad._asdict() for bad in report.corrupt]}, as_json)
    if not report.ok:
        raise typer.Exit(FINDING)


@app.command()
def redecide(as_json: AsJson = False) -> None:
    """Decide all events again and compare with the table. Exit code 1: they differ."""
    from cluster.checks import redecide_home

    found = redecide_home(configured())
    show(found._asdict(), as_json)
    if not found.ok:
        raise typer.Exit(FINDING)


@app.command()
def event(
    event_id: Annotated[str, typer.Argument(help="The id from the receipt, 32 hex digits.")],
    as_json: AsJson = False,
) -> None:
    """Show where one event is and what was decided. Exit code 1: this home does not know it."""
    from cluster import servers
    from cluster.checks import find_event
    from cluster.places import places
    from cluster.wiring import open_stores

    if len(event_id) != 32 or not set(event_id) <= set("0123456789abcdef"):
        raise BadInput(
            "this is not an event id", hint="an event id has 32 lower-case hex digits, as in the receipt"
        )
    settings = configured()
    servers.require(servers.states(places(settings)))
    found = find_event(open_stores(settings), event_id)
    show(found, as_json)
    if found["state"] == "unknown":
        raise typer.Exit(FINDING)


@app.command()
def migrate(
    to: Annotated[str, typer.Option(help="The revision to move to. The newest one if not given.")] = "",
    as_json: AsJson = False,
) -> None:
    """Upgrade or downgrade the control database. Stop everything that uses it first."""
    from catalog import sql
    from catalog.control.migrate import migrate as move
    from cluster.home import Home
    from cluster.places import places

    settings = configured()
    Home(settings.home).make()
    show(move(sql.engine(places(settings).control_url), to or None)._asdict(), as_json)


@app.command(name="failpoints")
def list_failpoints(as_json: AsJson = False) -> None:
    """List where a test can make a process crash, stop or fail, and what a crash there leaves."""
    from catalog import failpoints

    points = [point._asdict() for point in failpoints.REGISTRY.values()]
    if as_json:
        show([point | {"actions": list(failpoints.ACTIONS)} for point in points], as_json)
    else:
        table(["name", "step", "leaves"], [list(point.values()) for point in points])
        table(["action", "meaning"], [list(action) for action in failpoints.ACTIONS.items()])


if __name__ == "__main__":
    main()
