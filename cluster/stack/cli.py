"""Commands of the stack: up, status, down."""

from __future__ import annotations

import time

import typer
from rich.console import Console

from cluster.console import FINDING, AsJson, configured, show, table

stack_app = typer.Typer(
    no_args_is_help=True, help="The real servers on this machine: PostgreSQL, S3 and Trino."
)


@stack_app.command()
def up(as_json: AsJson = False) -> None:
    """Start the servers, fetching what is missing, and wait until they serve."""
    from catalog.clock import SystemClock
    from cluster.places import of_stack, write
    from cluster.stack import lifecycle
    from cluster.stack.stack import Stack

    settings, begin_s = configured(), time.monotonic()
    with Console(stderr=True).status("starting PostgreSQL, S3 and Trino …"):
        started = lifecycle.up(settings, SystemClock())
    places = settings.stack.absolute() / "cluster.json"
    write(of_stack(Stack.open(settings.stack)), places)
    took_s = round(time.monotonic() - begin_s, 1)
    folder = str(settings.stack.absolute())
    if as_json:
        show({"folder": folder, "started": started, "took_s": took_s, "cluster": str(places)}, as_json)
    else:
        said = f"{', '.join(started)} started in {took_s} s" if started else "up already"
        Console().print(f"{said}; addresses and passwords are in {folder}/stack.json", soft_wrap=True)
        Console().print(f"BEEJAN_PROFILE=cluster BEEJAN_CLUSTER={places} runs on them", soft_wrap=True)


@stack_app.command()
def status(as_json: AsJson = False) -> None:
    """Each server, where it listens and the most memory it held; exit code 1 when one does not run."""
    from cluster.stack import lifecycle

    found = lifecycle.status(configured())
    is_up = all(each.pid for each in found)
    if as_json:
        show({"up": is_up, "servers": [each._asdict() for each in found]}, as_json)
    else:
        rows = [
            [
                each.name,
                str(each.pid) if each.pid else "down",
                str(each.port),
                f"{each.peak_bytes >> 20} MiB",
                each.log,
            ]
            for each in found
        ]
        table(["server", "process", "port", "peak memory", "log"], rows)
    if not is_up:
        raise typer.Exit(FINDING)


@stack_app.command()
def down(as_json: AsJson = False) -> None:
    """Stop the servers, Trino first; what they keep stays."""
    from cluster.stack import lifecycle

    stopped = lifecycle.down(configured())
    if as_json:
        show({"stopped": stopped}, as_json)
    else:
        Console().print(f"{', '.join(stopped)} stopped" if stopped else "nothing was up")
