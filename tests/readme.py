"""The generated parts of the README: `python -m tests.readme` writes them, a test compares them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

from catalog import errors
from catalog.contracts.registry import CONTRACTS
from catalog.errors import BadInput, BeejanError, Indeterminate, Permanent, Transient
from catalog.tables import REASONS, TABLES
from cluster.cli import exit_code
from cluster.settings import Settings
from serve_apps import problems
from serve_apps.addresses import QUERY_DESCRIPTION
from serve_apps.ingest.openapi import document
from serve_apps.query import api as query_api
from serve_apps.query import filters
from serve_apps.query.engine.port import Role
from serve_apps.query.guard import SERVED, guard
from serve_apps.query.roles import grants
from serve_apps.query.views import views

README = Path(__file__).parents[1] / "README.md"
AGAIN = {Permanent: "no", Transient: "yes", Indeterminate: "look first"}


ASKED = {
    "/query/v1/complaints": [filters.Complaints().query()],
    "/query/v1/complaints/{event_id}": [
        filters.Query(filters.EVENT, [""]),
        filters.Query(filters.CLUSTER, [""]),
    ],
    "/query/v1/clusters": [filters.Clusters().query()],
    "/query/v1/kpis/daily": [filters.Kpis().query()],
    "/query/v1/ledger": [filters.LEDGER],
    "/query/v1/dictionary": [],
    "/query/v1/sql": [],
    "/query/v1/commits/events": [],
}
"""What each address asks of the engine by itself; of the last three each role gets what it may see."""


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    lines = [list(columns), ["---"] * len(list(columns)), *map(list, rows)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def generated() -> dict[str, str]:
    """Each generated part by its marker."""
    return {
        "contracts": table(
            ("contract", "channel", "owner", "its id", "local times are in", "forms too", "what it is"),
            contracts(),
        ),
        "views": table(
            ("view", "what it holds", "read from"),
            (
                (f"`{v.name}`", v.meaning, ", ".join(f"`{t}`" for t in sorted(v.tables)))
                for v in views().values()
            ),
        ),
        "settings": table(("setting", "default", "meaning"), settings()),
        "reasons": table(("reason", "meaning"), ((f"`{name}`", text) for name, text in REASONS.items())),
        "endpoints": table(("address", "key", "what it does"), endpoints()),
        "refusals": table(("status", "code", "meaning", "what to do"), refusals()),
        "errors": table(("code", "try again", "exit code", "meaning"), failures()),
        "tables": "\n\n".join(tables()),
    }


def contracts() -> Iterator[Iterable[object]]:
    """What each contract is and whose."""
    for each in CONTRACTS.values():
        forms = "yes" if each.forms else "no"
        who = (f"`{each.name}`", each.channel or "any", each.owner)
        yield *who, f"`{each.id_field}`", each.zone or "refused", forms, each.describe


def settings() -> Iterator[Iterable[object]]:
    """Every setting."""
    for spec in fields(Settings):
        default = f"`{spec.default}`" if spec.default != "" else ""
        yield f"`{spec.metadata['name']}`", default, spec.metadata["meaning"]


def endpoints() -> Iterator[Iterable[object]]:
    """Every address of both doors."""
    seen = set()
    for path, operations in document()["paths"].items():
        channel = path.split("/")[2] if path.endswith(("/events", "/events:batch")) else ""
        shown = path.replace(f"/{channel}/", "/{channel}/") if channel else path
        for method, told in operations.items():
            if shown not in seen:
                seen.add(shown)
                key = "none" if told.get("security") == [] else "ingest"
                yield f"`{method.upper()} {shown}`", key, told["summary"].removesuffix(f" of {channel}")
    yield "`GET /openapi.json`", "none", "The description of the addresses above"
    yield f"`GET {QUERY_DESCRIPTION}`", "none", "The description of the addresses below"
    for path, (method, route, _) in query_api.ROUTES.items():
        meaning = (route.__doc__ or "").partition("\n")[0].rstrip(".")
        yield f"`{method} {path}`", ", ".join(askers(ASKED[path])), meaning


def askers(queries: Iterable[filters.Query]) -> Iterator[Role]:
    """The roles whose grants let through all of these queries."""
    for role, grant in grants().items():
        with suppress(BadInput):
            for each in queries:
                guard(each.sql, each.params, grant.views, SERVED, 1, "trino")
            yield role


def refusals() -> Iterator[Iterable[object]]:
    """How both doors say no, by status; what both say alike, once."""
    registries = map(problems.refusals, ("query", "engine", "ingest"))
    told = {(case.status, case.code): case for each in registries for case in each.values()}
    for (status, code), case in sorted(told.items()):
        yield status, f"`{code}`", case.title, case.hint


def failures() -> Iterator[Iterable[object]]:
    """Every error of the commands and of the query side."""
    for kind in vars(errors).values():
        if (
            isinstance(kind, type)
            and issubclass(kind, BeejanError)
            and BeejanError not in (kind, *kind.__bases__)
        ):
            again = next((text for base, text in AGAIN.items() if issubclass(kind, base)), "a person decides")
            meaning = (kind.__doc__ or "").partition("\n")[0].rstrip(".")
            yield f"`{kind.code}`", again, exit_code(kind("")), meaning


def tables() -> Iterator[str]:
    """Each table with its columns."""
    for spec in TABLES.values():
        partitions = f", partitioned by {' and '.join(spec.partition_by)}" if spec.partition_by else ""
        rows = (
            (f"`{c.name}`", c.type if c.required else f"{c.type}, may be null", c.meaning)
            for c in spec.columns
        )
        yield f"`{spec.name}`{partitions}\n\n" + table(("column", "type", "meaning"), rows)


def written(readme: str) -> str:
    """The README with its generated parts as they should be."""
    for name, content in generated().items():
        head, begin, rest = readme.partition(f"<!-- {name} -->\n")
        _, end, tail = rest.partition(f"<!-- end of {name} -->")
        readme = f"{head}{begin}{content}\n{end}{tail}"
    return readme


if __name__ == "__main__":
    README.write_text(written(README.read_text()))
