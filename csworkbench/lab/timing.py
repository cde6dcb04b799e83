# SPDX-License-Identifier: Apache-2.0
"""The waits that the lab injects, in real seconds, and the scale that shortens them.

Only these scale. Protocol timers (TCP retransmission, ARP, DNS) are the kernel's and the daemons' and never do.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

ROUTER_BOOT_S = 30.0
"""From the start of the VR's domain to the moment its NICs take their addresses: BIOS, kernel, systemd and the wait for
the boot parameters over the guest agent. ShapeBlue's destroy-first restart on KVM took 44 s in all; about 12 s of
that are configuration (below)."""

ROUTER_STOP_S = 1.0
"""A forced stop: the hypervisor powers the domain off and answers."""

ROUTER_SHUTDOWN_S = 6.0
"""An unforced stop: the guest ends its services and powers itself off, and the host looks again once a second."""

SYSTEM_VM_BOOT_S = 45.0
"""From the start of a system VM's domain to the moment it serves: the same boot, then a Java agent that starts."""

ROUTER_START_LIMIT_S = 600.0
"""How long the hypervisor waits for a new router's port 3922: 60 times two connections, 5 s apart."""

TENANT_BOOT_S = 15.0
"""From the power-on of a tenant VM to its SSH server; assumed, a small cloud image."""

FIRST_SCAN_S = 60.0
"""From the start of the management server to the first scan for missing system VMs."""

ADDRESSES_S = 0.7
FIREWALL_S = 1.0
FORWARDING_S = 1.4
STATIC_NAT_S = 1.2
DHCP_PER_VM_S = 0.1
METADATA_PER_VM_S = 0.08
LOAD_BALANCER_S = 1.3
NETWORK_ACL_S = FIREWALL_S  # not measured: rules of the same kind, of one file
"""One run of configure.py per file, as measured with CloudStack's own scripts (reference/test-cloud.md, section 4)."""

EGRESS_GAP_S = 0.3
"""Within each run that touches rules: from the flush of FW_EGRESS_RULES to its refill (measured 0.24 to 0.37 s)."""

TABLE_GAP_S = 0.15
"""Rule by rule, the filter table is filled before nat: for so long packets leave without source NAT on a new VR."""

RVR_HANDOVER_S = 10.0
"""Rolling restart of a redundant pair: from the new router's start to the stop of the old one (`RVRHandoverTime`)."""

QUEUE_SCAN_S = 2.0
"""How often the management server looks whether the next job of a queue may start."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Turns real seconds into the lab's."""

    scale: float

    async def wait(self, real_s: float) -> None:
        """Let so many real seconds, times the scale, pass."""
        if real_s > 0:
            await asyncio.sleep(real_s * self.scale)
