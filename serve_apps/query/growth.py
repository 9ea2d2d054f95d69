"""What makes a short query large: names that stand for many reads, and texts that multiply.

An engine that expands names, or holds texts it does not count, would be at its end before any limit is.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from sqlglot import exp

from catalog.errors import BadInput

MOST_READS = 64
MOST_JOINED = 64
MOST_LEVELS = 2
MOST_TIMES = 10_000

JOINING = (exp.Concat, exp.ConcatWs, exp.DPipe, exp.ArrayToString, exp.GroupConcat)
REPLACING = (exp.Replace, exp.RegexpReplace)


def bound(tree: exp.Expr) -> None:
    """Raises BadInput for a query that could become much larger than it is written."""
    _bound_reads(tree)
    joined = list(tree.find_all(*JOINING))
    levels = {id(each.find_ancestor(exp.Select)) for each in joined}
    if len(joined) > MOST_JOINED or len(levels) > MOST_LEVELS:
        raise BadInput("too many texts are put together", most=MOST_JOINED, levels=MOST_LEVELS)
    times = 1
    for each in tree.find_all(*REPLACING):
        new = each.args.get("replacement")
        if new is not None and not (isinstance(new, exp.Literal) and new.is_string):
            raise BadInput("what replaces a text must be written out")
        times *= max(1, len(new.name) if new is not None else 0)
    if times > MOST_TIMES:
        raise BadInput("texts are replaced by too long ones", most=MOST_TIMES)


def _bound_reads(tree: exp.Expr) -> None:
    """A WITH name counts each time it is used: engines read it anew."""
    bodies = {cte.alias.lower(): cte.this for cte in tree.find_all(exp.CTE)}

    @cache
    def reads(name: str) -> int:
        return counted(bodies[name].find_all(exp.Table)) if name in bodies else 1

    def counted(tables: Iterable[exp.Table]) -> int:
        return sum(reads(table.name.lower()) for table in tables)

    # A name that stands for itself in an inner scope never ends: too deep a nesting.
    outside = (each for each in tree.find_all(exp.Table) if each.find_ancestor(exp.CTE) is None)
    if counted(outside) > MOST_READS:
        raise BadInput("the query reads too often", hint="join and unite fewer", most=MOST_READS)
