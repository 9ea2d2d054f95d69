"""Commands of the served views: apply, check, rules."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from catalog.errors import BadInput
from cluster.console import FINDING, AsJson, configured, show, table

views_app = typer.Typer(no_args_is_help=True, help="The served views, and who may read them.")


@views_app.command()
def apply(
    view: Annotated[str | None, typer.Option("--view", help="Only this view.")] = None,
    version: Annotated[int | None, typer.Option("--version", min=1, help="This version of the view.")] = None,
) -> None:
    """Create or replace the views in Trino, and write its access rules again."""
    from cluster.query_side import apply_views
    from serve_apps.query import views

    if version is not None and view is None:
        raise BadInput("--version needs a view", hint="name it with --view")
    if view is None:
        wanted = list(views.views().values())
    else:
        wanted = [views.version(view, version or max(views.versions().get(view, {0: None})))]
    apply_views(configured(), wanted)
    typer.echo("\n".join(f"{each.name}/{each.version}" for each in wanted))


@views_app.command()
def check(as_json: AsJson = False) -> None:
    """Compare what the engine returns with the contract of each view. Exit code 1: they differ."""
    from cluster.query_side import open_engine
    from serve_apps.query.drift import check as drifts

    with closing(open_engine(configured())) as engine:
        found = drifts(engine)
    if as_json:
        show({"drift": [each._asdict() for each in found]}, True)
    else:
        table(["view", "column", "promised", "found"], [list(each) for each in found])
    if found:
        raise typer.Exit(FINDING)


@views_app.command()
def rules() -> None:
    """Print Trino's file of access rules."""
    from serve_apps.query.access import document

    typer.echo(document().decode())
