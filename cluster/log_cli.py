"""Commands that write to the log: append, replay, and giving up a frame."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from catalog.errors import BadInput, NotDurable
from cluster.console import AsJson, configured, show
from cluster.progress import Progress
from cluster.settings import Settings

if TYPE_CHECKING:
    from catalog.log.writer import Writer

APPEND_BYTES = 1 << 20

log_app = typer.Typer(no_args_is_help=True, help="Repair the log.")


def append(
    file: Annotated[str, typer.Argument(help="A file with one event a line, or - for standard input.")],
) -> None:
    """Store events from a file. A line is {"channel", "source", "payload"} and gets a receipt."""
    import asyncio

    settings = configured()
    with ExitStack() as stack:
        try:
            lines = sys.stdin.buffer if file == "-" else stack.enter_context(Path(file).open("rb"))
        except OSError as error:
            raise BadInput("the file cannot be opened", hint=str(error.strerror), file=file) from None
        asyncio.run(_append(settings, lines))


async def _append(settings: Settings, lines: BinaryIO) -> None:
    from cluster.wiring import bundle_in_force, open_log, writer_config
    from pipelines.append import envelope, receipt

    log, clock = open_log(settings)
    bundle = bundle_in_force(settings)
    out, number, progress = sys.stdout.buffer, 0, Progress()
    async with _closed_in_the_end(log.writer(writer_config(settings))) as writer:
        for taken in _as_they_come(lines):
            envelopes, bad = [], None
            for line in taken:
                number += 1
                try:
                    envelopes.append(envelope(line, number, bundle, clock))
                except BadInput as error:
                    bad = error
                    break
            await writer.append(envelopes)
            out.write(b"".join(receipt(stored) + b"\n" for stored in envelopes))
            out.flush()
            if bad is not None:
                raise bad
            progress.tell(partial("{:,} events are durable".format, number))
    progress.end()


def _as_they_come(stream: BinaryIO) -> Iterator[list[bytes]]:
    """Lines in groups of what is there, so that a slow pipe gets its receipts line by line."""
    rest = b""
    while read := stream.read1(APPEND_BYTES):  # type: ignore[attr-defined]
        *lines, rest = (rest + read).split(b"\n")
        if lines:
            yield lines
    if rest:
        yield [rest]


@asynccontextmanager
async def _closed_in_the_end(writer: Writer) -> AsyncIterator[Writer]:
    """What was acknowledged stays durable when sealing fails: whoever recovers the segment seals it."""
    try:
        yield writer
    finally:
        try:
            await writer.close()
        except NotDurable as trouble:
            told = trouble.message
            logging.getLogger(__name__).warning("a segment was not sealed, recovery will seal it: %s", told)


def replay(
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day.")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be sent.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send the stored events of some days again. Those that are known already are only counted."""
    import asyncio

    settings = configured()
    asyncio.run(_replay(settings, first.date(), last.date(), dry_run, as_json))


async def _replay(settings: Settings, first: date, last: date, dry_run: bool, as_json: bool) -> None:
    from cluster.wiring import open_stores, writer_config
    from pipelines import replay as reader

    stores = open_stores(settings)
    found = reader.files(stores.raw, first, last)
    sent = 0
    if not dry_run:
        async with _closed_in_the_end(stores.log.writer(writer_config(settings))) as writer:
            for envelopes in reader.envelopes(stores.raw, first, last):
                await writer.append(envelopes)
                sent += len(envelopes)
    show({"files": len(found), "events": sum(file.frames for file in found), "sent": sent}, as_json)


@log_app.command()
def quarantine(segment: str, offset: int, as_json: AsJson = False) -> None:
    """Give up one damaged event, so that the rest of its segment can go on. It becomes a quarantined row."""
    from cluster.checks import give_up
    from cluster.wiring import open_stores

    show(give_up(open_stores(configured()), segment, offset), as_json)
