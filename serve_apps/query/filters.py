"""What can be asked without writing SQL: parameters of a URL, and the query each set of them becomes.

Where the next page of complaints begins stays right while new ones are committed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any, ClassVar, NamedTuple

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from catalog.clock import EPOCH, to_datetime
from catalog.errors import BadInput
from serve_apps.query.engine.port import Value

MOST_ROWS = 10_000
_AT = "coalesce(event_time, received_at)"


class Query(NamedTuple):
    """SQL in Trino's dialect, and its parameters."""

    sql: str
    params: list[Value]


class Cursor(NamedTuple):
    """The last row shown; rows of plans after `as_of_seq` are on no page."""

    time_us: int
    event_id: str
    as_of_seq: int
    filters: str
    """Digest of the filters: with others, a page would be a page of nothing in particular."""

    def encode(self) -> str:
        """As text that fits a URL."""
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, filters: str) -> Cursor:
        """Raises BadInput for a text that `encode` did not make, or made for other filters."""
        try:
            found = msgspec.msgpack.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=cls)
            to_datetime(found.time_us)
        except (binascii.Error, msgspec.MsgspecError, ValueError, OverflowError):
            raise BadInput("the cursor cannot be read", hint="begin without one") from None
        if found.filters != filters:
            raise BadInput("the cursor belongs to other filters", hint="begin without one")
        return found


def _written_as(pattern: str) -> BeforeValidator:
    """Texts of this form only: a lenient reader takes `0` for a day of 1970 and `yes` for true."""
    form = re.compile(pattern, re.ASCII)

    def require(value: object) -> object:
        if isinstance(value, str) and not form.fullmatch(value):
            raise ValueError("not of the form that the description names")
        return value

    return BeforeValidator(require)


Day = Annotated[date, _written_as(r"\d{4}-\d\d-\d\d")]
Whole = Annotated[int, _written_as(r"-?\d{1,18}")]
Flag = Annotated[bool, _written_as("true|false")]


class _Filters(BaseModel):
    """Parameters that are filters, each a condition with one mark, `name = ?` unless in `conditions`."""

    model_config = ConfigDict(extra="forbid")
    view: ClassVar[str]
    order: ClassVar[str]
    conditions: ClassVar[dict[str, str]] = {}

    limit: Whole = Field(100, ge=1, le=MOST_ROWS, description="rows in the answer")

    def filters(self) -> dict[str, Any]:
        """Those given, by name."""
        given = self.model_dump(exclude={"limit", "cursor"}, exclude_none=True)
        return {name: each.isoformat() if isinstance(each, date) else each for name, each in given.items()}

    def digest(self) -> str:
        """What tells one set of filters from another."""
        return hashlib.sha256(msgspec.json.encode(self.filters(), order="sorted")).hexdigest()[:16]

    def query(self) -> Query:
        """What fits all of them."""
        return self._select()

    def _select(self, *more: str, params: Sequence[Value] = ()) -> Query:
        filters = self.filters()
        conditions = ["true", *(self.conditions.get(name, f"{name} = ?") for name in filters), *more]
        text = f"SELECT * FROM {self.view} WHERE {' AND '.join(conditions)} ORDER BY {self.order}"
        return Query(text, [*filters.values(), *params])


class _Days(_Filters):
    since: Day | None = Field(None, alias="from", description="first date")
    until: Day | None = Field(None, alias="to", description="last date")


class Complaints(_Days):
    """GET /query/v1/complaints, newest first; without a readable event time by when it was received."""

    view, order = "complaints", f"{_AT} DESC, event_id"
    conditions = {
        "since": "event_date >= CAST(? AS date)",
        "until": "event_date <= CAST(? AS date)",
        "q": "strpos(lower(redacted_text), lower(?)) > 0",
    }

    channel: str | None = None
    region: str | None = None
    city: str | None = None
    l1: str | None = None
    l2: str | None = None
    disposition: str | None = None
    cluster_id: str | None = None
    is_complaint: Flag | None = None
    q: str | None = Field(None, min_length=1, max_length=200, description="part of the redacted text")
    cursor: str | None = Field(None, max_length=500, description="`next` of the page before")

    def page(self, after: Cursor) -> Query:
        """The same, behind the last row shown."""
        when = to_datetime(after.time_us).isoformat(" ", "microseconds")
        at = "CAST(? AS timestamp(6) with time zone)"
        behind = f"({_AT} < {at} OR ({_AT} = {at} AND event_id > ?))"
        return self._select("plan <= ?", behind, params=[after.as_of_seq, when, when, after.event_id])

    def cursor_after(self, row: dict[str, Any], as_of_seq: int) -> Cursor:
        """Where the page that ends with this row goes on."""
        at: datetime = row["event_time"] or row["received_at"]
        return Cursor((at - EPOCH) // timedelta(microseconds=1), row["event_id"], as_of_seq, self.digest())


class Clusters(_Days):
    """GET /query/v1/clusters, the largest first: one is in a span of days when one of its members may be."""

    view, order = "clusters", "members DESC, cluster_id"
    conditions = {
        "since": "CAST(last_event_time AS date) >= CAST(? AS date)",
        "until": "CAST(first_event_time AS date) <= CAST(? AS date)",
        "members": "members >= ?",
    }

    region: str | None = None
    l2: str | None = None
    members: Whole | None = Field(None, ge=2, description="at least so many")


class Kpis(_Days):
    """GET /query/v1/kpis/daily, the newest day first."""

    view, order = "kpi_daily", "local_date DESC, channel, region, l1, l2"
    conditions = {"since": "local_date >= CAST(? AS date)", "until": "local_date <= CAST(? AS date)"}

    limit: Whole = Field(1_000, ge=1, le=MOST_ROWS, description="rows in the answer")
    channel: str | None = None
    region: str | None = None
    l1: str | None = None
    l2: str | None = None


LEDGER = Query(
    "SELECT channel, "
    + ", ".join(
        f"CAST(sum({outcome}) AS bigint) AS {outcome}"
        for outcome in ("received", "accepted", "duplicate", "quarantined", "redelivered")
    )
    + ", sum(received) = sum(accepted + duplicate + quarantined + redelivered) AS is_balanced "
    "FROM ledger GROUP BY channel ORDER BY channel",
    [],
)
"""GET /query/v1/ledger: what became of everything received, by channel."""

EVENT = (
    "SELECT e.*, c.cluster_id AS resolved_cluster, c.is_representative "
    "FROM events AS e LEFT JOIN complaints AS c ON c.event_id = e.event_id WHERE e.event_id = ?"
)
CLUSTER = "SELECT * FROM clusters WHERE cluster_id = ?"
