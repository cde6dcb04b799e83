# SPDX-License-Identifier: Apache-2.0
"""A router's gate: whether anything passes its guest and public devices, changed in one nftables transaction."""

from __future__ import annotations

import struct

from csworkbench.lab.netfilter import ACK, NFTABLES, attribute, connect, message, transact

TABLE = "handover"
_NETDEV = 5
_NEW_CHAIN = NFTABLES << 8 | 3
_DROP, _ACCEPT = 0, 1
_CHAINS = ("ingress", "egress")


def gate_rules(devices: list[str], *, is_open: bool) -> str:
    """An nftables table: nothing passes these devices in either direction, ARP included, unless it is open."""
    verdict = "accept" if is_open else "drop"
    where = f"devices = {{ {', '.join(devices)} }} priority 0; policy {verdict};"
    chains = "".join(f"  chain {name} {{ type filter hook {name} {where} }}\n" for name in _CHAINS)
    return f"table netdev {TABLE} {{\n{chains}}}\n"


class Gate:
    """Both chains of that table change their policy in one transaction."""

    def __init__(self) -> None:
        self._channel = connect()

    def set(self, *, is_open: bool) -> None:
        """Returns when it holds. Raises OSError."""
        policy = struct.pack("!I", _ACCEPT if is_open else _DROP)
        table = attribute(1, TABLE.encode() + b"\0")
        transact(
            self._channel,
            [
                message(
                    _NEW_CHAIN,
                    ACK,
                    _NETDEV,
                    table + attribute(3, name.encode() + b"\0") + attribute(5, policy),
                    sequence=number,
                )
                for number, name in enumerate(_CHAINS, 1)
            ],
        )
