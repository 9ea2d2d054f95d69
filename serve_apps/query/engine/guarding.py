"""The process that reads queries for another engine: it gives back what that engine may run."""

from __future__ import annotations

import sys
from collections.abc import Callable

from catalog.errors import BeejanError, TooLarge
from serve_apps.query.engine.wire import Ask, Setup, Told, failed, work
from serve_apps.query.guard import SERVED, marked
from serve_apps.query.roles import grants

DIALECT = "trino"


def prepare(_: Setup) -> Callable[[Ask], Told]:
    """Reads every role's grant, so that no query waits for it."""
    grants()
    return answer


def answer(ask: Ask) -> Told:
    """The query written anew, question marks and all, or why it is refused."""
    try:
        found = marked(ask.sql, ask.params, grants()[ask.role].views, SERVED, ask.rows, DIALECT)
    except BeejanError as error:
        return failed(error)
    except MemoryError:
        return failed(TooLarge("the query needs more memory than it may", hint="write it shorter"))
    return Told(sorted(found.views), sql=found.sql, params=found.params)


if __name__ == "__main__":
    work(sys.stdin.buffer, sys.stdout.buffer, prepare)
