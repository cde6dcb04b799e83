# SPDX-License-Identifier: Apache-2.0
"""Gratuitous ARP as a router sends it: one packet per address, one packet socket per device.

One socket for all, because closing a packet socket costs an RCU grace period (about 25 ms).
"""

from __future__ import annotations

import socket
import struct

_ETH_ARP = 0x0806
_REQUEST, _REPLY = 1, 2
_BROADCAST = b"\xff" * 6


def packet(mac: bytes, address: str, gateway: str | None) -> bytes:
    """The Ethernet frame that announces an address.

    Without a gateway it is `arping -U`: a request for one's own address, which every neighbour's kernel takes at once.
    With one it is what CloudStack's `arping -A -U -s ADDRESS GATEWAY` sends: a reply whose target is the gateway, no
    gratuitous ARP to Linux, ignored by a neighbour that heard of the address less than a second ago.
    """
    sender = socket.inet_aton(address)
    operation, target_mac, target = (
        (_REQUEST, _BROADCAST, sender) if gateway is None else (_REPLY, mac, socket.inet_aton(gateway))
    )
    arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac + sender + target_mac + target
    return _BROADCAST + mac + struct.pack("!H", _ETH_ARP) + arp


def announce(devices: dict[str, tuple[list[str], str | None]]) -> str:
    """Announce `{device: (addresses, gateway)}`; the form follows from the gateway (see `packet`). Raises OSError."""
    for device, (addresses, gateway) in devices.items():
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_ARP)) as sender:
            sender.bind((device, _ETH_ARP))
            mac = sender.getsockname()[4]
            for address in addresses:
                sender.send(packet(mac, address, gateway))
    return "{}"
