# SPDX-License-Identifier: Apache-2.0
"""`user@host:port`, as a scenario names a jump host."""

import re
from dataclasses import dataclass

SSH_PORT = 22
_HOP = re.compile(r"^(?:([^@\s:]+)@)?(\[[0-9A-Fa-f:.%\w]+\]|[A-Za-z0-9_][A-Za-z0-9_.-]*)(?::([0-9]{1,5}))?$")


@dataclass(frozen=True, slots=True)
class Hop:
    """One jump host. `user` is empty where the scenario names none."""

    user: str
    host: str
    port: int = SSH_PORT


def parse_hop(text: str) -> Hop:
    """From `[user@]host[:port]`; IPv6 in brackets. Raises ValueError with one clear line."""
    match = _HOP.match(text)
    port = int(match[3] or SSH_PORT) if match else 0
    if match is None or not 0 < port < 65536:
        raise ValueError(f"{text!r} is no jump host; write user@host or user@host:port")
    return Hop(match[1] or "", match[2].strip("[]"), port)
