# SPDX-License-Identifier: Apache-2.0
"""From outside to the VMs' SSH port, through port forwarding and static NAT (S12)."""

from collections.abc import Iterator
from typing import NamedTuple

from csworkbench.model.lane import Keys, Prober, Service

from .draft import SECOND_NS, Draft

SSH_PORT = 22
KEEPALIVE_S = 1.5  # the kernel asks when it has heard nothing for a second
REOPEN_NS = 60 * SECOND_NS  # well before sshd's LoginGraceTime of 120 s


class Way(NamedTuple):
    """A public address and port that leads to a VM's SSH port."""

    public_ip: str
    port: int
    vm: str


def ingress(draft: Draft) -> None:
    """Per way in: a half-open SYN (the headline), the banner, and one held connection that is never logged in on."""
    outside, intervals = draft.outside, draft.intervals
    if outside is None:
        draft.leave_out(Service.INGRESS, "SSH from outside", "there is no outside vantage")
        return
    for way in _ways(draft):
        if way.vm in draft.quiet:
            draft.leave_out(Service.INGRESS, f"SSH to {way.vm}", "it is the quiet VM: nobody talks to it (S11)")
            continue
        for prober, interval_s in ((Prober.SYN, intervals.syn), (Prober.BANNER, intervals.banner)):
            draft.add(
                Service.INGRESS, prober, outside, way.public_ip, interval_s,
                port=way.port, subject=way.vm, headline=prober is Prober.SYN,
            )  # fmt: skip
        draft.add(
            Service.INGRESS, Prober.HELD, outside, way.public_ip, max(intervals.held, KEEPALIVE_S),
            port=way.port, subject=way.vm, keys=Keys(mode="keepalive", reopen_ns=REOPEN_NS),
        )  # fmt: skip


def _ways(draft: Draft) -> Iterator[Way]:
    inventory = draft.inventory
    names = {vm.id: vm.name for vm in inventory.vms}
    for rule in inventory.forwardings:
        if rule.private_port == SSH_PORT and rule.protocol.lower() == "tcp":
            yield Way(rule.public_ip, rule.public_port, names.get(rule.vm_id, rule.public_ip))
    for nat in inventory.static_nats:
        if nat.vm_id not in names:
            continue
        # In a VPC there is no such firewall: network ACLs decide.
        opened = any(o.public_ip == nat.public_ip and o.lets_in("tcp", SSH_PORT) for o in inventory.openings)
        if opened or inventory.network.vpc_id:
            yield Way(nat.public_ip, SSH_PORT, names[nat.vm_id])
        else:
            what = f"SSH to {names[nat.vm_id]} by {nat.public_ip}"
            draft.leave_out(Service.INGRESS, what, "no firewall rule lets in its port 22")
