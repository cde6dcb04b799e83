# SPDX-License-Identifier: Apache-2.0
"""What the router itself serves to tenants: names, DHCP, metadata, passwords. A few tenants ask, none of them quiet."""

from csworkbench.model.cloud import Vm
from csworkbench.model.lane import Keys, Prober, Service, Vantage

from .draft import Draft

METADATA_PATH = "/latest/meta-data/local-hostname"  # every release serves it, and the answer is the VM's own
PASSWORD_PORT = 8080
UPSTREAM = "a name from upstream"


def dns(draft: Draft) -> None:
    """A peer's name (the headline), and one that the router has to ask others for."""
    interval_s = draft.intervals.dns
    askers = draft.offers(Service.DNS, "names", "Dns")
    if askers is None:
        return
    for vantage in askers:
        network, peer = draft.network_of(vantage), _peer(draft, vantage)
        if peer is None:
            draft.leave_out(Service.DNS, "a peer's name", "there is no other VM with an address")
        else:
            name = f"{peer.name}.{network.domain}" if network.domain else peer.name
            draft.add(
                Service.DNS, Prober.DNS, vantage, network.gateway, interval_s, headline=True,
                keys=Keys(name=name, type="A", expect=(peer.ip,)),
            )  # fmt: skip
        if draft.targets.dns_name:
            keys = Keys(name=draft.targets.dns_name, type="A")
            draft.add(Service.DNS, Prober.DNS, vantage, network.gateway, interval_s, headline=peer is None, keys=keys)
    if not draft.targets.dns_name:
        draft.leave_out(Service.DNS, UPSTREAM, "dns_name is not given")


def dhcp(draft: Draft) -> None:
    """A renewal now and then. Any answer counts: a new router has forgotten the leases and says NAK, but it serves."""
    askers = draft.offers(Service.DHCP, "renewal", "Dhcp") or []
    fit = [vantage for vantage in askers if vantage.name in draft.able.packets]
    for vantage in fit:
        draft.add(
            Service.DHCP, Prober.DHCP, vantage, draft.network_of(vantage).gateway, draft.intervals.dhcp,
            headline=True, keys=Keys(path=True),
        )  # fmt: skip
    if askers and not fit:
        draft.leave_out(Service.DHCP, "renewal", "no tenant with raw sockets (root)")


def metadata(draft: Draft) -> None:
    """What cloud-init asks for."""
    for vantage in draft.offers(Service.METADATA, "GET", "UserData") or []:
        draft.add(
            Service.METADATA, Prober.HTTP, vantage, draft.network_of(vantage).gateway, draft.intervals.metadata,
            port=80, headline=True, keys=Keys(path=METADATA_PATH),
        )  # fmt: skip


def password(draft: Draft) -> None:
    """A GET without `DomU_Request`, which has no effect there."""
    for vantage in draft.offers(Service.PASSWORD, "GET", "UserData") or []:
        draft.add(
            Service.PASSWORD, Prober.HTTP, vantage, draft.network_of(vantage).gateway, draft.intervals.password,
            port=PASSWORD_PORT, headline=True, keys=Keys(path="/"),
        )  # fmt: skip


def _peer(draft: Draft, vantage: Vantage) -> Vm | None:
    """Another VM on its network; that its name is asked for does not disturb a quiet one."""
    return next((vm for vm in draft.beside(vantage) if vm.name != vantage.name), None)
