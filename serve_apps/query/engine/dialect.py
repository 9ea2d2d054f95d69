"""DuckDB's dialect where it means the same as Trino's: what differs is written as a macro, or otherwise.

In Trino a date cut to its week and a date plus a week are dates, `date_diff` counts whole units that have
passed, and the first day of the week is Monday; DuckDB makes timestamps, counts borders crossed, and begins
with Sunday. What is not found in a text is null in Trino, and an empty text here. Which macro it is depends
on the types of the arguments, which only the engine knows. No argument is written twice: nested deeply, the
text would double with every level.
"""

from __future__ import annotations

import re
from typing import ClassVar

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.generators.duckdb import DuckDBGenerator

from serve_apps.query.engine.decimals import MOST, Exact, exact

DIALECT = "trinoduckdb"
"""What sqlglot calls it."""

MACROS = (
    "CREATE MACRO trino_date_trunc(unit VARCHAR, x DATE) AS CAST(date_trunc(unit, x) AS DATE), "
    "(unit VARCHAR, x TIMESTAMP) AS date_trunc(unit, x), "
    "(unit VARCHAR, x TIMESTAMPTZ) AS date_trunc(unit, x)",
    "CREATE MACRO trino_plus(x DATE, y INTERVAL) AS CAST(x + y AS DATE), (x TIMESTAMP, y INTERVAL) AS x + y, "
    "(x TIMESTAMPTZ, y INTERVAL) AS x + y, (x INTERVAL, y INTERVAL) AS x + y",
)
"""Statements that make the macros, before any query that uses them."""


_OFFSET = re.compile(r"[+-]\d\d:\d\d")
_OFFSET_BEHIND = re.compile(r"(.*\d)\s+([+-]\d\d(?::\d\d)?|Z)")


def _truncated(self: DuckDBGenerator, node: exp.TimestampTrunc | exp.DateTrunc) -> str:
    return self.func("trino_date_trunc", exp.Literal.string(_unit(node)), node.this)


def _passed(self: DuckDBGenerator, node: exp.DateDiff) -> str:
    return self.func("date_sub", exp.Literal.string(_unit(node)), node.expression, node.this)


def _added(self: DuckDBGenerator, node: exp.DateAdd) -> str:
    amount = exp.Interval(this=exp.paren(node.expression.copy()), unit=exp.var(_unit(node)))
    return self.func("trino_plus", node.this, amount)


def _plus(self: DuckDBGenerator, node: exp.Add) -> str:
    left, right = node.left, node.right
    if _is_interval(left):
        left, right = right, left
    return self.func("trino_plus", left, right) if _is_interval(right) else self.binary(node, "+")


def _minus(self: DuckDBGenerator, node: exp.Sub) -> str:
    if not _is_interval(node.right):
        return self.binary(node, "-")
    return self.func("trino_plus", node.left, exp.Neg(this=exp.paren(node.right.copy())))


def _extracted(self: DuckDBGenerator, node: exp.Extract) -> str:
    part = "ISODOW" if node.name.upper() in ("DOW", "DAY_OF_WEEK") else self.sql(node, "this")
    return f"EXTRACT({part} FROM {self.sql(node, 'expression')})"


def _found(self: DuckDBGenerator, node: exp.RegexpExtract) -> str:
    group = node.args.get("group") or exp.Literal.number(0)
    return f"LIST_EXTRACT({self.func('REGEXP_EXTRACT_ALL', node.this, node.expression, group)}, 1)"


def _replaced(self: DuckDBGenerator, node: exp.RegexpReplace) -> str:
    """A group is `$1` in Trino, and `\\1` here."""
    put = node.args.get("replacement")
    if isinstance(put, exp.Literal):
        put = exp.Literal.string(re.sub(r"\$(\d)", r"\\\1", put.name))
    return self.func("REGEXP_REPLACE", node.this, node.expression, put or exp.Literal.string(""), "'g'")


def _cast(self: DuckDBGenerator, node: exp.Cast) -> str:
    """Trino has a blank between a time and its offset, which is none here; and no digits behind the point
    where none are asked for."""
    text, found = node.this, None
    if node.to.this is exp.DType.TIMESTAMPTZ and isinstance(text, exp.Literal):
        found = _OFFSET_BEHIND.fullmatch(text.name.strip())
    if found:
        text.replace(exp.Literal.string(found[1] + found[2]))
    if node.to.this is exp.DType.DECIMAL and not node.to.expressions:
        node.set("to", exp.DataType.build(f"DECIMAL({MOST}, 0)"))
    return self.trycast_sql(node) if isinstance(node, exp.TryCast) else self.cast_sql(node)


def _in_zone(self: DuckDBGenerator, node: exp.AtTimeZone) -> str:
    """A zone that is an offset has another name here."""
    zone = node.args["zone"]
    if isinstance(zone, exp.Literal) and _OFFSET.fullmatch(zone.name):
        zone.replace(exp.Literal.string(f"GMT{zone.name}"))
    return self.attimezone_sql(node)


def _divided(self: DuckDBGenerator, node: exp.Div) -> str:
    """Decimals make a decimal in Trino, and a double here."""
    return _as_exact(self.div_sql(node), exact(node))


def _averaged(self: DuckDBGenerator, node: exp.Avg) -> str:
    found = None if isinstance(node.parent, exp.Window | exp.Filter) else exact(node)
    return _as_exact(self.func("AVG", node.this), found)


def _as_exact(sql: str, found: Exact | None) -> str:
    return f"CAST({sql} AS DECIMAL({found.precision}, {found.scale}))" if found and found.is_decimal else sql


def _part(self: DuckDBGenerator, node: exp.SplitPart) -> str:
    parts = self.func("STR_SPLIT", node.this, node.args["delimiter"])
    return f"LIST_EXTRACT({parts}, {self.sql(node, 'part_index')})"


def _unit(node: exp.Expr) -> str:
    return str(node.args["unit"].name).upper()


def _is_interval(node: exp.Expr) -> bool:
    inner = node.unnest()
    if isinstance(inner, exp.Mul):
        return _is_interval(inner.left) or _is_interval(inner.right)
    return isinstance(inner, exp.Interval) or (isinstance(inner, exp.Neg) and _is_interval(inner.this))


class TrinoDuckDB(DuckDB):
    """Read it as DuckDB's; written for trees that came from Trino's."""

    class Generator(DuckDBGenerator):
        """The nodes that would mean something else."""

        TRANSFORMS: ClassVar = {
            **DuckDBGenerator.TRANSFORMS,
            exp.TimestampTrunc: _truncated,
            exp.DateTrunc: _truncated,
            exp.DateDiff: _passed,
            exp.DateAdd: _added,
            exp.Add: _plus,
            exp.Sub: _minus,
            exp.Extract: _extracted,
            exp.RegexpExtract: _found,
            exp.RegexpReplace: _replaced,
            exp.SplitPart: _part,
            exp.Div: _divided,
            exp.Avg: _averaged,
            exp.Cast: _cast,
            exp.TryCast: _cast,
            exp.AtTimeZone: _in_zone,
        }
