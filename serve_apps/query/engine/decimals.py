"""Which values of a query are exact numbers in Trino, and with how many digits: its rules, in small.

An engine that divides decimals as doubles gives other digits. Where the text of the query and the contract of
the views do not tell a type, nothing is said, and the value stays as the engine has it.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from sqlglot import exp

from serve_apps.query.views import views

MOST = 38
_PASSED_ON = (exp.Paren, exp.Neg, exp.Min, exp.Max, exp.AnyValue, exp.Abs, exp.Nullif, exp.Filter, exp.Window)
_COUNTS = (
    *(exp.Count, exp.CountIf, exp.ApproxDistinct, exp.Length, exp.StrPosition, exp.DateDiff, exp.ArraySize),
    *(exp.RowNumber, exp.Rank, exp.DenseRank, exp.Ntile),
)


class Exact(NamedTuple):
    """A decimal, or a whole number as the decimal it becomes beside one."""

    precision: int
    scale: int
    is_decimal: bool = True


WHOLE = {
    "TINYINT": Exact(3, 0, False),
    "SMALLINT": Exact(5, 0, False),
    "INT": Exact(10, 0, False),
    "BIGINT": Exact(19, 0, False),
}


def exact(node: exp.Expr, inside: frozenset[str] = frozenset()) -> Exact | None:
    """The number a node is, if it is one; `inside` are the names that are being looked up."""
    if isinstance(node, exp.Literal):
        return None if node.is_string else _literal(node.name)
    if isinstance(node, exp.Cast):
        return of_type(node.to)
    if isinstance(node, exp.Column):
        return _column(node, inside)
    if isinstance(node, _COUNTS):
        return WHOLE["BIGINT"]
    if isinstance(node, _PASSED_ON):
        return exact(node.this, inside)
    if isinstance(node, exp.Avg | exp.Sum):
        return _summed(node, exact(node.this, inside))
    if isinstance(node, exp.Coalesce):
        return _one_of([exact(each, inside) for each in (node.this, *node.expressions)])
    if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div | exp.Mod):
        left, right = exact(node.left, inside), exact(node.right, inside)
        return None if left is None or right is None else _computed(node, left, right)
    return None


def of_type(kind: exp.DataType) -> Exact | None:
    """The same of a type; a decimal without digits has 38 of them, none behind the point."""
    if kind.this is exp.DType.DECIMAL:
        digits = [int(each.name) for each in kind.expressions]
        return Exact(digits[0], digits[1] if len(digits) > 1 else 0) if digits else Exact(MOST, 0)
    return WHOLE.get(kind.this.value)


def _literal(text: str) -> Exact | None:
    if "e" in text.lower():
        return None
    before, point, behind = text.partition(".")
    if not point:
        return WHOLE["INT" if int(text) < 1 << 31 else "BIGINT"]
    return Exact(max(1, len(before.lstrip("0")) + len(behind)), len(behind))


def _column(node: exp.Column, inside: frozenset[str]) -> Exact | None:
    name = node.name.lower()
    named = [each.this for each in node.root().find_all(exp.Alias) if each.alias.lower() == name]
    if named and name not in inside:
        found = {exact(each, inside | {name}) for each in named}
        return found.pop() if len(found) == 1 else None
    return _of_views().get(name)


@cache
def _of_views() -> dict[str, Exact]:
    """Whole numbers among the columns of the views; one name has one type in all of them."""
    types = {"bigint": "BIGINT", "integer": "INT"}
    columns = [column for view in views().values() for column in view.columns]
    return {each.name: WHOLE[types[each.type]] for each in columns if each.type in types}


def _summed(node: exp.Expr, of: Exact | None) -> Exact | None:
    if of is None or (isinstance(node, exp.Avg) and not of.is_decimal):
        return None  # the average of whole numbers is a double
    if isinstance(node, exp.Avg):
        return of
    return Exact(MOST, of.scale) if of.is_decimal else WHOLE["BIGINT"]


def _one_of(found: list[Exact | None]) -> Exact | None:
    known = [each for each in found if each is not None]
    if len(known) < len(found):
        return None
    scale = max(each.scale for each in known)
    whole = max(each.precision - each.scale for each in known)
    return Exact(min(MOST, whole + scale), scale, any(each.is_decimal for each in known))


def _computed(node: exp.Expr, left: Exact, right: Exact) -> Exact:
    if not (left.is_decimal or right.is_decimal):
        return max(left, right)
    scale = max(left.scale, right.scale)
    if isinstance(node, exp.Mul):
        return Exact(min(MOST, left.precision + right.precision), left.scale + right.scale)
    if isinstance(node, exp.Div):
        return Exact(min(MOST, left.precision + right.scale + max(0, right.scale - left.scale)), scale)
    wholes = (left.precision - left.scale, right.precision - right.scale)
    if isinstance(node, exp.Mod):
        return Exact(min(wholes) + scale, scale)
    return Exact(min(MOST, max(wholes) + 1 + scale), scale)
