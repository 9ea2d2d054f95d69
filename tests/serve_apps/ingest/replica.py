"""A replica of the door, as a process of its own:

    python -m tests.serve_apps.ingest.replica HOME DESCRIPTOR

It answers on the listening socket of that descriptor and says with each answer when the request arrived, on
the clock that all processes of the machine share. SIGTERM ends it in order.
"""

from __future__ import annotations

import signal
import socket
import sys
import time
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_apps.ingest.api import create_api
from tests.serve_apps.ingest.doors import deps

ARRIVED = "x-arrived-ns"
GIVE_UP_S = 1800
"""Only ever passes when whoever started it is gone."""


def stamped(app: ASGIApp) -> ASGIApp:
    """The app, each answer with the time at which its request arrived."""

    async def stamp(scope: Scope, receive: Receive, send: Send) -> None:
        arrived_ns = time.monotonic_ns()

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                header = (ARRIVED.encode(), str(arrived_ns).encode())
                message = {**message, "headers": [*message["headers"], header]}
            await send(message)

        await app(scope, receive, told)

    return stamp


def main() -> None:
    home, descriptor = sys.argv[1:]
    signal.alarm(GIVE_UP_S)
    app = stamped(create_api(deps(Path(home))))
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_keep_alive=GIVE_UP_S)
    uvicorn.Server(config).run([socket.socket(fileno=int(descriptor))])


if __name__ == "__main__":
    main()
