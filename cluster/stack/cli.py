"""Commands of the stack: up, status, down, its SQL console, and Superset over it."""

from __future__ import annotations

import os
import time
from typing import Annotated

import typer
from rich.console import Console

from cluster.console import FINDING, AsJson, configured, show, table
from cluster.settings import Settings

stack_app = typer.Typer(
    no_args_is_help=True, help="The real servers on this machine: PostgreSQL, S3 and Trino."
)

superset_app = typer.Typer(no_args_is_help=True, help="Apache Superset over the stack: dashboards and SQL.")
stack_app.add_typer(superset_app, name="superset")


@stack_app.command()
def up(as_json: AsJson = False) -> None:
    """Start the servers, fetching what is missing, and wait until they serve."""
    settings, begin_s = configured(), time.monotonic()
    started = start(settings)
    places = settings.stack_places
    took_s = round(time.monotonic() - begin_s, 1)
    folder = str(settings.stack.absolute())
    if as_json:
        show({"folder": folder, "started": started, "took_s": took_s, "cluster": str(places)}, as_json)
    else:
        said = f"{', '.join(started)} started in {took_s} s" if started else "up already"
        typer.echo(f"{said}; addresses and passwords are in {folder}/stack.json")
        typer.echo("commands run on them with `--profile cluster`, or once this is said:")
        typer.echo(f"export BEEJAN_PROFILE=cluster\nexport BEEJAN_CLUSTER={places}")


def start(settings: Settings) -> list[str]:
    """Start the servers that are not up and write down where everything is; the names of those started."""
    from catalog.clock import SystemClock
    from cluster.places import of_stack, write
    from cluster.stack import lifecycle
    from cluster.stack.stack import Stack

    with Console(stderr=True).status("starting PostgreSQL, S3 and Trino …"):
        started = lifecycle.up(settings, SystemClock())
    write(of_stack(Stack.open(settings.stack)), settings.stack_places)
    return started


@stack_app.command()
def status(as_json: AsJson = False) -> None:
    """Each server, where it listens and the most memory it held; exit code 1 when one does not answer."""
    from cluster.stack import lifecycle

    found = lifecycle.status(configured())
    is_up = all(each.answers for each in found)
    if as_json:
        show({"up": is_up, "servers": [each._asdict() for each in found]}, as_json)
    else:
        rows = [
            [
                each.name,
                str(each.pid) if each.pid else "down",
                "yes" if each.answers else "no",
                str(each.port),
                f"{each.peak_bytes >> 20} MiB",
                each.log,
            ]
            for each in found
        ]
        table(["server", "process", "answers", "port", "peak memory", "log"], rows)
    if not is_up:
        raise typer.Exit(FINDING)


@stack_app.command()
def down(as_json: AsJson = False) -> None:
    """Stop the servers, Trino first; what they keep stays."""
    _down(as_json)


@stack_app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def sql(
    context: typer.Context,
    user: Annotated[str, typer.Option(help="One of Trino's users.")] = "analyst",
    question: Annotated[str, typer.Option(help="Ask one of `beejan questions`.")] = "",
) -> None:
    """Trino's own console over the served views; it takes its own options too (`--file`, `--execute`)."""
    from cluster.stack import console, distribution
    from cluster.stack.stack import Stack
    from serve_apps.query import cookbook

    asked = ["--execute", cookbook.question(question).sql] if question else []

    settings = configured()
    stack = Stack.open(settings.stack.absolute())
    if not distribution.console_path(settings.cache_folder).exists():
        typer.echo("fetching Trino's console through Maven, this once: up to a minute", err=True)
    jar = distribution.console(settings.cache_folder)
    words = [*console.command(stack, jar, user), *asked, *context.args]
    os.execve(words[0], words, os.environ | {console.PASSWORD: stack.users[user]})


@superset_app.command("up")
def superset_up(as_json: AsJson = False) -> None:
    """Start Superset, installing it at the first call, and give it the dashboard; the stack must be up."""
    from cluster.stack import lifecycle
    from cluster.stack.superset.server import FILE

    settings, begin_s = configured(), time.monotonic()
    with Console(stderr=True).status("starting Superset …"):
        given, started = lifecycle.up_superset(settings)
    took_s = round(time.monotonic() - begin_s, 1)
    if as_json:
        show({"address": given.address, "started": started, "took_s": took_s}, as_json)
    else:
        said = f"started in {took_s} s" if started else "up already"
        where = f"{given.address}/superset/dashboard/complaints/"
        typer.echo(f"{said}: {where} (for finance …/billing/); accounts are in {given.folder}/{FILE}")


@superset_app.command("down")
def superset_down(as_json: AsJson = False) -> None:
    """Stop Superset; the stack goes on, and what people made in Superset stays."""
    _down(as_json, "superset")


def _down(as_json: bool, *names: str) -> None:
    """These, or all of them."""
    from cluster.stack import lifecycle

    stopped = lifecycle.down(configured(), names or lifecycle.STOPS)
    if as_json:
        show({"stopped": stopped}, as_json)
    else:
        typer.echo(f"{', '.join(stopped)} stopped" if stopped else "nothing was up")
