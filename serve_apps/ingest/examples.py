"""How to send an event, as curl and as Python: both run as they stand, with this in the environment.

BEEJAN_URL=http://127.0.0.1:8000 BEEJAN_KEY=bjn_…
"""

from __future__ import annotations

import json
import shlex

from catalog.contracts.registry import CONTRACTS, at_door
from catalog.ids import event_id
from serve_apps.ingest.framing import JSON, NDJSON

_HEADER = '-H "Authorization: Bearer $BEEJAN_KEY"'
_PYTHON = """import os

import httpx

door = httpx.Client(
    base_url=os.environ["BEEJAN_URL"],
    headers={{"Authorization": "Bearer " + os.environ["BEEJAN_KEY"]}},
)
answer = {call}
answer.raise_for_status()
print(answer.json())
"""


def send_one(channel: str) -> dict[str, str]:
    """Language -> program that sends the contract's own example."""
    body = at_door(channel).example.decode()
    path = f"/v1/{channel}/events"
    call = f'door.post("{path}", content={body!r}.encode(), headers={{"Content-Type": "{JSON}"}})'
    return _both(path, f"-H 'Content-Type: {JSON}' --data-binary {shlex.quote(body)}", call)


def send_batch(channel: str) -> dict[str, str]:
    """Language -> program that sends two events, one a line, by the plain contract."""
    template = json.loads(CONTRACTS["plain/1"].example)
    events = [json.dumps({**template, "id": f"example-{number}"}) for number in (1, 2)]
    body = "\n".join(events) + "\n"
    path = f"/v1/{channel}/events:batch?contract=plain/1"
    call = f'door.post("{path}", content={body!r}.encode(), headers={{"Content-Type": "{NDJSON}"}})'
    return _both(path, f"-H 'Content-Type: {NDJSON}' --data-binary {shlex.quote(body)}", call)


def ask() -> dict[str, str]:
    """Language -> program that asks what became of an event."""
    path = f"/v1/events/{event_id('example', 'provider', 'example-1')}"
    return _both(path, "", f'door.get("{path}")')


def _both(path: str, options: str, call: str) -> dict[str, str]:
    return {
        "curl": f'curl --fail-with-body -sS "$BEEJAN_URL{path}" {_HEADER} {options}'.strip(),
        "Python": _PYTHON.format(call=call),
    }
