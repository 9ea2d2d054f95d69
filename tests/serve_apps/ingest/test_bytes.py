"""Whatever bytes come in, the answer is one of the documented statuses, and what was taken is in the log."""

import asyncio
import gzip
import random
from pathlib import Path

from serve_apps.ingest.deps import Limits
from serve_apps.ingest.refusals import STATUSES
from tests.serve_apps.ingest.doors import deps, opened, payloads, token

SEEDS = (
    b'{"id_str":"1","user":{"a":[1,2.5e3,null]},"full_text":"\\ud83d"}',
    b"MessageSid=1&Body=a+b&To=%F0",
    b'[{"a":1},{"b":"\\u0000"}]',
    b'{"a":1}\n{"b":2}\n',
    b"\xff\xfe",
    b"[" * 300,
    b'{"n":1' + b"0" * 400 + b"}",
    b'{"id_str":"a","id_str":NaN}',
    b"",
)
TYPES = (
    "application/json",
    "application/json",
    "application/x-ndjson",
    "application/json",
    "application/x-ndjson",
    "application/x-www-form-urlencoded",
    "a/b+json",
    "application/json; charset=utf-16",
    "application/cloudevents+json",
    ";;",
    "\x80",
)
CODINGS = ("", "gzip", "zstd", "br", "gzip,gzip", "\xff")
PATHS = (
    "/v1/social/events",
    "/v1/sms/events",
    "/v1/sms/events:batch",
    "/v1/call_centre/events:batch",
    "/v1/web_form/events?contract=plain/1",
    "/v1/%00/events",
    "/v1/sms/events?contract=%ff&&=",
)


def mangled(rng: random.Random) -> bytes:
    body = bytearray(rng.choice(SEEDS))
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(body) + 1)
        body[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
    return gzip.compress(body) if rng.random() < 0.1 else bytes(body)


def test_no_bytes_break_the_door(tmp_path: Path) -> None:
    rng = random.Random(5)

    async def send() -> int:
        stored = 0
        limits = Limits(remembered_ids=3)
        async with opened(deps(tmp_path, limits), token(tmp_path)) as door:
            for _ in range(1_500):
                headers = [
                    (0.95, b"content-type", rng.choice(TYPES).encode("latin-1")),
                    (0.1, b"content-encoding", rng.choice(CODINGS).encode("latin-1")),
                    (0.1, b"idempotency-key", rng.randbytes(rng.randrange(3))),
                ]
                sent = [(name, value) for often, name, value in headers if rng.random() < often]
                answer = await door.post(rng.choice(PATHS), content=mangled(rng), headers=sent)
                assert answer.status_code in {202, *STATUSES}
                found = answer.json()
                if answer.status_code == 202:
                    results = found.get("results", [{"status": 202}])
                    stored += sum(each["status"] == 202 for each in results)
                else:
                    assert answer.headers["content-type"] == "application/problem+json"
        return stored

    assert asyncio.run(send()) == len(payloads(tmp_path)) > 100
