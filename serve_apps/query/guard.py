"""Lets through what is known to be harmless: one SELECT over the served views, written anew from its parts.

The caller's text never reaches an engine. It is parsed as Trino's dialect, every node of the tree must be
on the list of `allowed`, and the engine gets what is generated from that tree. Parsing itself can be made
to take long, so this runs where time and memory are limited.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from math import isfinite
from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from catalog.errors import BadInput
from serve_apps.query.allowed import NODES, PARTS, REGEXPS, STATEMENTS, TYPES, UNNESTED
from serve_apps.query.engine.port import Value
from serve_apps.query.growth import bound

SERVED = "served"
MAX_CHARACTERS = 20_000
MAX_NODES = 4_000
MAX_NESTING = 24
MAX_PATTERN = 200
MARK = "\0"
"""What no text from a caller may hold: it marks the place of a parameter."""

_MARKED = re.compile(f"'{MARK}([0-9]+)'")
_PARAMETER = "parameter"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_LABEL = re.compile(r"[^\W\d][\w .,:%()+-]{0,62}")
_WORD = re.compile(r"[A-Za-z0-9_ ]*")
_OPENING = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE}
_CLOSING = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END}


class Guarded(NamedTuple):
    """A query an engine may run. `views` are those it reads; it gives at most `rows` + 1 rows."""

    sql: str
    views: frozenset[str]
    params: list[Value]
    """For the question marks in `sql`, in order."""


def guard(
    sql: str, params: Sequence[Value], views: Collection[str], schema: str, rows: int, dialect: str
) -> Guarded:
    """`sql` over `views` as the engine of `dialect` has them, in `schema`; `params` are written into it.

    Raises BadInput for anything else than one allowed SELECT, without quoting values.
    """
    with _refusing():
        tree, read = _checked(sql, params, views, schema, rows)
        return Guarded(_written(tree, dialect), read, [])


def marked(
    sql: str, params: Sequence[Value], views: Collection[str], schema: str, rows: int, dialect: str
) -> Guarded:
    """As `guard`, for an engine that takes parameters: no value of `params` is in the text."""
    with _refusing():
        tree, read = _checked(sql, params, views, schema, rows)
        for node in [node for node in tree.walk() if _PARAMETER in node.meta]:
            node.replace(exp.Literal.string(f"{MARK}{node.meta[_PARAMETER]}"))
        # The text need not keep the order of the tree. Nothing else in it can hold the mark.
        parts = _MARKED.split(_written(tree, dialect))
    return Guarded("?".join(parts[::2]), read, [params[int(number)] for number in parts[1::2]])


def _checked(
    sql: str, params: Sequence[Value], views: Collection[str], schema: str, rows: int
) -> tuple[exp.Expr, frozenset[str]]:
    """The tree of what an engine may run, and the views it reads."""
    tree = _parse(sql, params)
    read = _rewrite(tree, views, schema)
    bound(tree)
    _limit(tree, rows + 1)
    return tree, read


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except RecursionError:
        raise BadInput("the query is nested too deeply") from None
    except (SqlglotError, ValueError):
        raise BadInput("a part of the query has no equal in the engine", hint="write it otherwise") from None


def _written(tree: exp.Expr, dialect: str) -> str:
    return tree.sql(dialect, identify=True, comments=False, unsupported_level=sqlglot.ErrorLevel.RAISE)


def _rewrite(tree: exp.Expr, views: Collection[str], schema: str) -> frozenset[str]:
    """Check every node and point every table at what it names; gives the views that are read."""
    for node in tree.walk():
        _check(node)
    ctes = list(tree.find_all(exp.CTE))
    names = {cte.alias.lower() for cte in ctes}
    if hidden := names & set(views):
        raise BadInput("a WITH name is the name of a view", hint="give it another name", name=min(hidden))
    read = frozenset(_resolve(table, names, views, schema) for table in list(tree.find_all(exp.Table)))
    for cte in ctes:
        cte.args["alias"].set("this", exp.to_identifier(_inner(cte.alias), quoted=True))
    return read - {""}


def _parse(sql: str, params: Sequence[Value]) -> exp.Select | exp.SetOperation:
    if len(sql) > MAX_CHARACTERS:
        raise BadInput("the query is too long", characters=len(sql), most=MAX_CHARACTERS)
    _require(MARK not in sql, "the query holds a null character")
    dialect = sqlglot.Dialect.get_or_raise("trino")
    try:
        tokens = dialect.tokenize(sql)
        _check_nesting(tokens)
        trees = dialect.parser().parse(_marked(tokens), sql)
    except SqlglotError as error:
        facts = (getattr(error, "errors", None) or [{}])[0]
        raise BadInput(
            "the query cannot be read",
            hint="it must be one SELECT in Trino's dialect",
            line=facts.get("line") or 0,
            column=facts.get("col") or 0,
        ) from None
    if len(trees) != 1 or not isinstance(trees[0], STATEMENTS):
        raise BadInput(
            "only one SELECT can be asked", hint="columns: GET /query/v1/dictionary, `beejan dictionary`"
        )
    tree = trees[0]
    for nodes, _ in enumerate(tree.walk()):
        if nodes >= MAX_NODES:
            raise BadInput("the query has too many parts", most=MAX_NODES)
    _bind(tree, params)
    return tree


def _check_nesting(tokens: Sequence[Token]) -> None:
    depth = 0
    for token in tokens:
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        if depth > MAX_NESTING:
            raise BadInput("the query is nested too deeply", most=MAX_NESTING)


def _marked(tokens: Sequence[Token]) -> list[Token]:
    """Number the question marks: the tree does not keep the order of the text."""
    number = count()
    return [
        Token(TokenType.STRING, f"{MARK}{next(number)}", token.line, token.col, token.start, token.end)
        if token.token_type is TokenType.PLACEHOLDER
        else token
        for token in tokens
    ]


def _bind(tree: exp.Expr, params: Sequence[Value]) -> None:
    """Write the parameters in as literals, where their marks are; each knows its number."""
    marks = [each for each in tree.find_all(exp.Literal) if each.name.startswith(MARK)]
    if sorted(mark.name for mark in marks) != sorted(f"{MARK}{n}" for n in range(len(params))):
        raise BadInput("parameters and question marks differ", marks=len(marks), parameters=len(params))
    for mark in marks:
        number = int(mark.name[1:])
        value = params[number]
        _require(not (isinstance(value, str) and MARK in value), "a parameter holds a null character")
        _require(not isinstance(value, float) or isfinite(value), "a parameter is not a finite number")
        written = exp.convert(value)
        written.meta[_PARAMETER] = number
        mark.replace(written)


def _check(node: exp.Expr) -> None:
    """Raises BadInput unless the node and each of its parts is allowed."""
    kind = type(node)
    if kind not in NODES:
        name = node.name if kind is exp.Anonymous and _NAME.fullmatch(node.name) else kind.__name__
        raise BadInput("not allowed in a query", hint="write it without that", what=name.lower())
    parts = PARTS.get(kind)
    for part, value in node.args.items():
        if parts is not None and value and part not in parts:
            raise BadInput("not allowed in a query", what=f"{kind.__name__} {part}".lower().strip("_"))
        # What is text in the tree is written out as it stands, so it may not be more than a word.
        if isinstance(value, str) and kind not in (exp.Identifier, exp.Literal):
            _require(_WORD.fullmatch(value) is not None, "a word holds other signs")
    if isinstance(node, exp.Identifier):
        _require(_LABEL.fullmatch(node.name) is not None, "a name holds other signs or is too long")
    elif isinstance(node, exp.DataType):
        # A text cast to JSON is read by one engine and quoted by another: lists come from `json_parse`.
        is_element = node.this.value == "JSON" and isinstance(node.parent, exp.DataType)
        _require(is_element or node.this.value in TYPES, "not a type that can be used here")
    elif isinstance(node, REGEXPS):
        pattern = node.expression
        written = isinstance(pattern, exp.Literal) and pattern.is_string
        _require(written and len(pattern.name) <= MAX_PATTERN, "a pattern must be a short text, written out")
    elif isinstance(node, exp.Unnest):
        _require(_is_of_its_row(node), "only a column's own elements can become rows")
    elif isinstance(node, exp.Limit | exp.Offset):
        amount = node.expression
        _require(isinstance(amount, exp.Literal) and amount.is_int, "LIMIT and OFFSET must be whole numbers")


def _is_of_its_row(node: exp.Unnest) -> bool:
    if not isinstance(node.parent, exp.From | exp.Join):
        return False
    each, *others = node.expressions
    made = list(each.walk())
    is_column = any(isinstance(part, exp.Column) for part in made)
    return not others and is_column and all(isinstance(part, UNNESTED) for part in made)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BadInput(otherwise)


def _inner(name: str) -> str:
    """What a WITH name is called in the engine: nothing there is, so out of scope it names nothing."""
    return f"cte_{name.lower()}"


def _resolve(table: exp.Table, ctes: set[str], views: Collection[str], schema: str) -> str:
    """Point a table at the view it names, or at the WITH name; gives the view's name, or an empty text."""
    name, given = table.name, table.args.get("db")
    _require(isinstance(table.this, exp.Identifier), "only views can be read")
    _require(_NAME.fullmatch(name) is not None, "a table's name holds other signs")
    cte = given is None and name.lower() in ctes
    if not cte and (name.lower() not in views or (given is not None and given.name.lower() != SERVED)):
        raise BadInput("no such view", hint="views: " + ", ".join(sorted(views)))
    if not table.alias:
        table.set("alias", exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
    inner = _inner(name) if cte else name.lower()
    table.set("this", exp.to_identifier(inner, quoted=True))
    table.set("db", None if cte else exp.to_identifier(schema, quoted=True))
    return "" if cte else inner


def _limit(tree: exp.Select | exp.SetOperation, most: int) -> None:
    """At most `most` rows, on the outermost SELECT: there it keeps the order the caller asked for."""
    given = tree.args.get("limit")
    rows = most if given is None else min(most, int(given.expression.name))
    tree.set("limit", exp.Limit(expression=exp.Literal.number(rows)))
