"""What an ASGI request is made to look like before any route sees it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from serve_apps.problems import tell
from serve_apps.query.refusals import refused


class FullPaths:
    """Gives the application whole paths, whether a server mounts it under a prefix, and strips that, or not.

    So its routes, its description and its hints name addresses as callers write them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if root := scope.get("root_path", ""):
            path = scope["path"]
            is_stripped = path != root and not path.startswith(root + "/")
            scope = {**scope, "root_path": "", "path": root + path if is_stripped else path}
        await self._app(scope, receive, send)


class AsciiHeaders:
    """Refuses a header that is not ASCII: what it means depends on who reads it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if not all(name.isascii() and value.isascii() for name, value in scope.get("headers", ())):
            answer = await tell(Request(scope), refused("header_invalid", "a header is not ASCII"))
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)
