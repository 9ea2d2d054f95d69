"""A process of its own that appends to a log, and says on its standard output what was acknowledged.

    python -m tests.catalog.log.child ROOT GROUPS FAILPOINT [fork]

It answers each line on its standard input with one group; after the last it seals and ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from catalog import failpoints
from catalog.errors import NotDurable
from tests.catalog.log.builders import envelopes, open_writer

GIVE_UP_S = 600
"""Only ever passes when somebody would have waited for ever."""


def say(line: str) -> None:
    """Write one line past every buffer."""
    os.write(1, f"{line}\n".encode())


async def append(root: Path, groups: int) -> None:
    """Append one group for each line that comes in."""
    writer = open_writer(root)
    for n in range(groups):
        sys.stdin.readline()
        await writer.append(envelopes(2 * n, 2 * n + 1))
        say(f"{2 * n} {2 * n + 1}")
    sys.stdin.readline()
    await writer.close()
    say("closed")


async def fork(root: Path) -> None:
    """Append once, fork a child that lives until the input ends, and wait to be killed."""
    writer = open_writer(root)
    await writer.append(envelopes(0, 1))
    child = os.fork()
    if child == 0:
        signal.alarm(GIVE_UP_S)
        try:
            await writer.append(envelopes(2))
        except NotDurable as error:
            say(f"refused: {error.message}")
        for _ in iter(sys.stdin.readline, ""):
            pass
        os._exit(0)
    say(f"child {child}")
    signal.pause()


def main() -> None:
    root, groups, failpoint, *forks = sys.argv[1:]
    signal.alarm(GIVE_UP_S)
    failpoints.arm(failpoint)
    asyncio.run(fork(Path(root)) if forks else append(Path(root), int(groups)))


if __name__ == "__main__":
    main()
