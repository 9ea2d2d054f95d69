"""What Ray and Serve read from the environment when they are imported, here and in their processes."""

from __future__ import annotations

import os

RAY = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    # The setting for machines without a cluster: everything listens on the loopback address.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # On a busy machine the first process of Ray takes longer than half a minute.
    "RAY_raylet_start_wait_time_s": "60",
}
SERVE = {
    # One HTTP listener a replica, on the loopback address; the proxy in front is not Serve's.
    "RAY_SERVE_ENABLE_DIRECT_INGRESS": "1",
    "RAY_SERVE_ENABLE_HA_PROXY": "0",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    # Longer than the proxy takes to see that a replica wants no more.
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2",
}


def choose(first_port: int = 0, ports: int = 0) -> None:
    """Our choices, whatever the environment says, and the ports that replicas may listen on."""
    os.environ |= RAY | SERVE
    if ports:
        os.environ["RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT"] = str(first_port)
        os.environ["RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT"] = str(first_port + ports - 1)
