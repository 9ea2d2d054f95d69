"""What a query may be made of. What is not listed here is refused, whatever it does."""

from __future__ import annotations

from sqlglot import exp

STATEMENTS = (exp.Select, exp.SetOperation)

STRUCTURE: frozenset[type[exp.Expr]] = frozenset(
    (
        *(exp.Select, exp.Union, exp.Intersect, exp.Except, exp.Subquery, exp.With, exp.CTE, exp.From),
        *(exp.Table, exp.TableAlias, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered),
        *(exp.Limit, exp.Offset, exp.Distinct, exp.Column, exp.Identifier, exp.Star, exp.Alias, exp.Paren),
        *(exp.Tuple, exp.GroupingSets, exp.Rollup, exp.Cube, exp.Window, exp.WindowSpec, exp.Filter),
        *(exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls),
        *(exp.Literal, exp.Null, exp.Boolean, exp.Placeholder, exp.Interval, exp.Var, exp.Array),
        *(exp.Cast, exp.TryCast, exp.DataType, exp.DataTypeParam, exp.Case, exp.If, exp.Bracket),
        *(exp.Unnest, exp.Values),
        *(exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In),
        *(exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between, exp.Like, exp.Escape, exp.Exists),
        *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.DPipe, exp.AtTimeZone),
    )
)

FUNCTIONS: frozenset[type[exp.Expr]] = frozenset(
    (
        # Aggregates.
        *(exp.Count, exp.CountIf, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.AnyValue, exp.ArgMax, exp.ArgMin),
        *(exp.ApproxDistinct, exp.ApproxQuantile, exp.PercentileCont, exp.PercentileDisc, exp.Stddev),
        *(exp.StddevPop, exp.StddevSamp, exp.Variance, exp.VariancePop, exp.Corr, exp.CovarPop),
        *(exp.CovarSamp, exp.LogicalAnd, exp.LogicalOr, exp.ArrayAgg, exp.GroupConcat, exp.Grouping),
        # Over windows.
        *(exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile, exp.Lag),
        *(exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue),
        # Text. Nothing that makes a long text out of a number: no repeat, no padding.
        *(exp.Lower, exp.Upper, exp.Length, exp.Substring, exp.Trim, exp.Concat, exp.ConcatWs, exp.Replace),
        *(exp.StrPosition, exp.StartsWith, exp.SplitPart, exp.Reverse, exp.Levenshtein),
        *(exp.RegexpLike, exp.RegexpExtract, exp.RegexpReplace, exp.RegexpCount, exp.Split),
        # Numbers, and choices between values.
        *(exp.Abs, exp.Ceil, exp.Floor, exp.Round, exp.Trunc, exp.Sqrt, exp.Pow, exp.Ln, exp.Log, exp.Exp),
        *(exp.Sign, exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least),
        # Dates and times.
        *(exp.TimestampTrunc, exp.DateTrunc, exp.DateAdd, exp.DateDiff, exp.Date, exp.Extract, exp.Year),
        *(exp.Quarter, exp.Month, exp.Week, exp.WeekOfYear, exp.YearOfWeek, exp.Day, exp.DayOfWeek),
        *(exp.DayOfWeekIso, exp.DayOfMonth, exp.DayOfYear, exp.Hour, exp.Minute, exp.LastDay),
        exp.CurrentDate,
        *(exp.CurrentTimestamp, exp.TimeToStr, exp.StrToTime, exp.TimeToUnix, exp.UnixToTime),
        exp.FromISO8601Timestamp,
        # JSON and lists.
        *(exp.JSONExtract, exp.JSONExtractScalar, exp.ParseJSON, exp.JSONPath, exp.JSONPathRoot),
        *(exp.JSONPathKey, exp.JSONPathSubscript, exp.ArraySize, exp.ArrayContains, exp.ArrayToString),
        exp.ArrayDistinct,
    )
)

NODES = STRUCTURE | FUNCTIONS

REGEXPS = (exp.RegexpLike, exp.RegexpExtract, exp.RegexpReplace, exp.RegexpCount)
"""Their patterns must be written out, so that no column can supply one."""

UNNESTED = (
    *(exp.Column, exp.Identifier, exp.Literal, exp.Lower, exp.Split, exp.ParseJSON, exp.Cast, exp.DataType),
)
"""What a list that becomes rows may be made of: a value of the row itself, taken apart. So it has no more
elements than the value has characters."""

TYPES = frozenset(
    (
        *("BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL", "CHAR", "VARCHAR"),
        *("TEXT", "DATE", "TIMESTAMP", "TIMESTAMPTZ", "ARRAY", "INTERVAL"),
    )
)
"""Names of types that values may be cast to."""

PARTS: dict[type[exp.Expr], frozenset[str]] = {
    exp.Select: frozenset(
        ("with_", "expressions", "from_", "joins", "where", "group", "having", "order", "limit", "offset")
    )
    | {"distinct", "windows"},
    exp.Table: frozenset(("this", "db", "alias")),
    exp.Subquery: frozenset(("this", "alias", "with_", "order", "limit", "offset")),
    exp.With: frozenset(("expressions",)),
    exp.CTE: frozenset(("this", "alias")),
    exp.Join: frozenset(("this", "on", "using", "side", "kind")),
    exp.Unnest: frozenset(("expressions", "alias")),
    exp.Values: frozenset(("expressions", "alias")),
    exp.Column: frozenset(("this", "table")),
    exp.Limit: frozenset(("expression",)),
    exp.Placeholder: frozenset(),
}
"""Nodes that have rare parts: those they may have here."""
