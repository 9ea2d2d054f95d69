"""The command that plays a demonstration day."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from catalog.errors import BadInput
from cluster.console import cells, configured, table
from cluster.settings import Settings
from cluster.up_cli import jdbc, start

REPORT = Path("demo-report.jsonl")
INTERRUPTED = 130
"""What a shell says of a command that Ctrl-C ended."""


def demo(
    events: Annotated[int, typer.Option("--events", help="How many events to simulate.")] = 40_000,
    stay: Annotated[bool, typer.Option("--stay", help="Do not stop the product at the end.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Another number makes another day.")] = 1,
    input_: Annotated[
        Path | None,
        typer.Option("--input", help="A CSV file with your own texts, instead of simulated ones."),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option("--mapping", help="A TOML file that says what the columns of the CSV file mean."),
    ] = None,
    report: Annotated[
        Path, typer.Option("--report", help="The file to write: what became of each record of the CSV file.")
    ] = REPORT,
) -> None:
    """Send a day of complaints, wait until all are decided, and show the answers to some questions."""
    from cluster import demo as day
    from cluster import up as background

    if (input_ is None) != (mapping is None):
        raise BadInput("--input and --mapping belong together", hint="give both or none")
    settings, console = _with_a_free_port(configured()), Console()
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
            if sql := jdbc(settings):
                console.print(f"and SQL at {sql}", soft_wrap=True)
            _play(settings, console, sent, records, report)
            console.print(f"from start to answers: {time.monotonic() - began_s:.0f} s")
    except KeyboardInterrupt:
        console.print("interrupted: what was acknowledged is kept and decided")
        raise typer.Exit(INTERRUPTED) from None


def _with_a_free_port(settings: Settings) -> Settings:
    """Another port where nobody chose one and it is taken; that of what is up already."""
    from cluster import up as background

    if os.environ.get("BEEJAN_PORT") or background.running(settings) is not None:
        return settings
    try:
        background.require_free(settings)
    except BadInput:
        from cluster.stack.stack import free_ports

        os.environ["BEEJAN_PORT"] = str(free_ports(1)[0])
        return configured()
    return settings


def _raise_servers(settings: Settings, console: Console) -> None:
    """Those of this machine, where the profile wants any and names no others; they stay afterwards."""
    if settings.profile == "cluster" and settings.cluster.absolute() == settings.stack_places:
        from cluster.stack import cli as servers

        started = ", ".join(servers.start(settings)) or "up already"
        console.print(f"the servers: {started}; they stay until `beejan stack down`")


@contextmanager
def _held_up(settings: Settings, console: Console, stay: bool) -> Iterator[None]:
    """Started, unless it was up; what was started here stops afterwards, or stays when all went well."""
    from cluster import up as background
    from cluster.demo import CURATE_S

    is_staying = not start(settings, BEEJAN_CURATE_S=CURATE_S)
    if is_staying:
        console.print(
            "The product was up already. The answers come after the next build of the curated tables."
        )
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
    from rich.live import Live

    from cluster import demo as day
    from cluster import demo_report, demo_score
    from cluster import up as background

    began_s, state = time.monotonic(), {"sent": 0, "acknowledged": 0}
    with day.doors(settings, background.address(settings), {one.source for one in sent}) as client:
        before = day.ledger(client)
        with Live(console=console, auto_refresh=False, transient=not console.is_terminal) as live:

            def told(total: int, acknowledged: int) -> None:
                state.update(sent=total, acknowledged=acknowledged)
                live.update(_progress(state, None, began_s), refresh=console.is_terminal)

            counted, refused = day.stream(client, sent, told)
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
        if short := counted["sent"] - counted["acknowledged"]:
            console.print(f"{short} refused by the doors and not stored: their ids were used before")
        if records:
            source = sent[0].source if sent else ""
            ended = demo_report.report(client, source, records, report, before.as_of_seq, refused)
            table(["what happened", "records"], [[how, str(count)] for how, count in ended.most_common()])
            console.print(f"{sum(ended.values())} of {len(records)} records accounted for in {report}")
            if told_what := demo_report.advice(ended):
                console.print(told_what, soft_wrap=True, highlight=False)
        for title, sql in day.QUESTIONS.items():
            answer = client.ask(sql)
            console.rule(title)
            console.print(sql, style="dim", soft_wrap=True)
            columns = [column["name"] for column in answer["columns"]]
            table(columns, [cells(row) for row in answer["rows"]])
            console.print(f"as of commit {answer['as_of_seq']}", style="dim")
        if compared := demo_score.agreement(client, sent):
            console.rule("How often the decisions are right")
            console.print(
                f"{compared[0].events} of the simulated events, each compared with what the simulator meant;"
                " damaged and repeated ones are left out",
                style="dim",
                soft_wrap=True,
            )
            shown = [[about, str(n), str(ok), f"{ok / n:.1%}" if n else "-"] for about, n, ok in compared]
            table(["question", "events", "as meant", "share"], shown)


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
