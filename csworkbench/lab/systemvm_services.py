# SPDX-License-Identifier: Apache-2.0
"""What runs on a system VM: the agent `cloud`, and on the one of secondary storage a web server."""

from __future__ import annotations

import ipaddress
from typing import Any

from csworkbench.lab.calls_systemvm import AGENT_STARTED
from csworkbench.lab.fabric import Daemon, Fabric
from csworkbench.lab.hosts import Host
from csworkbench.lab.image import AGENT_PROPERTIES

MANAGEMENT = ipaddress.IPv4Network("172.16.0.0/24")
MANAGEMENT_SERVER, AGENT_PORT = "172.16.0.1", 8250
"""The private network of system VMs, where their agents find the management server."""
AGENT = "cloud"
AGENT_LOG = "/var/log/cloud.log"
DOWNLOADS = "/var/www/html/userdata"
_CERTIFICATE, _KEY = "/var/lib/cloud/server.crt", "/var/lib/cloud/server.key"
DIRECTORIES = ("/var/lib/cloud", "/var/www", "/var/www/html", DOWNLOADS)


async def make_certificate(host: Host, address: str) -> None:
    """A certificate of its own, signed by itself, unless its disk has one. Raises LabError."""
    await host.run(
        *(
            "sh",
            "-c",
            'test -s "$1" || exec openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
-keyout "$2" -out "$1" -days 3650 -subj "/CN=$3" -addext "subjectAltName=IP:$3"',
        ),
        *("sh", _CERTIFICATE, _KEY, address),
    )


async def start(fabric: Fabric, host: Host, kind: str, service: str) -> Daemon:
    """Start one of its services; returns when it listens, or, for an agent that does not, when it runs."""
    tls: dict[str, Any] = {"certificate": _CERTIFICATE, "key": _KEY}
    agent: dict[str, Any] = {
        "server": MANAGEMENT_SERVER,
        "port": AGENT_PORT,
        "properties": AGENT_PROPERTIES,
        "log": AGENT_LOG,
    }
    if service != AGENT:
        return await fabric.service(host, "file_server", directory="/var/www/html", **tls)
    if kind == "consoleproxy":
        return await fabric.service(host, "console_proxy", **agent, **tls)
    return await fabric.service(host, "storage_agent", AGENT_STARTED, **agent)
