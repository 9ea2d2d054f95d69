"""Commands of the whole product on one machine: up, down, doctor."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster.console import FINDING, AsJson, configured, show, table
from cluster.settings import PROFILES, Settings


def up(
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay in this process.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Start anew behind open doors: no request fails meanwhile.")
    ] = False,
) -> None:
    """Start everything on this machine: Ray, the flow, the doors. `beejan down` stops it."""
    from cluster import up as background

    settings = configured()
    if foreground:
        background.hold(settings, replace)
        return
    is_new = start(settings, replace)
    at = background.address(settings)
    typer.echo(f"{'up' if is_new else 'up already'} at {at}")
    typer.echo(f"  events     POST {at}/v1/CHANNEL/events\n  questions  POST {at}/query/v1/sql")
    if sql := jdbc(settings):
        typer.echo(f"  JDBC       {sql}")
    typer.echo("  keys       beejan keys create SOURCE --channel CHANNEL\n  stop       beejan down")


def jdbc(settings: Settings) -> str:
    """Where a JDBC client asks Trino; nothing where there is none."""
    from cluster.places import places

    trino = places(settings).trino
    if trino is None:
        return ""
    address = trino.address.removeprefix("https://")
    return f"jdbc:trino://{address}/lake/served?SSL=true&SSLTrustStorePath={trino.certificate}"


def start(settings: Settings, replace: bool = False, **defaults: str) -> bool:
    """Start it and wait, with a word about the wait; False when it was up already."""
    from cluster import up as background

    if background.running(settings) is None:
        if settings.profile != PROFILES[0]:
            from cluster.wiring import open_keys

            open_keys(settings)  # a server that is away is told here, not in the log of what was started
        typer.echo("starting Ray and the doors: 10 to 30 seconds", err=True)
    return background.start(settings, replace, **defaults)


def down() -> None:
    """Stop in order: the doors take nothing more, what is durable is decided, nothing is lost."""
    from cluster import up as background

    typer.echo("stopped" if background.stop(configured()) else "was not up")


def doctor(as_json: AsJson = False) -> None:
    """Whether this machine can hold the product, and what listens for it where; exit code 1 for a finding."""
    from cluster.doctor import examine

    found = examine(configured())
    if as_json:
        checks = [each._asdict() for each in found.checks]
        show({"checks": checks, "listeners": [each._asdict() for each in found.listeners]}, True)
    else:
        rows = [[each.name, "ok" if each.ok else "FINDING", each.detail] for each in found.checks]
        table(["check", "", "what was found"], rows)
        if found.listeners:
            table(["address", "what", "who may call"], [[*each] for each in found.listeners], "address")
    if not found.ok:
        raise typer.Exit(FINDING)
