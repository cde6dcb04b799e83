# SPDX-License-Identifier: Apache-2.0
"""IPv6 where the network has it: ICMPv6 from the tenants, and the router's advertisements."""

from csworkbench.model.lane import Keys, Prober, Service

from .draft import HEARTBEAT_S, Draft

FROM_ANY = "::"


def ipv6(draft: Draft) -> None:
    """A new flow of ICMPv6 from each tenant with packet sockets (the headline); one of them hears advertisements."""
    networks = [n for n in draft.inventory.tiers or (draft.inventory.network,) if n.ip6_gateway or n.ip6_cidr]
    if not networks or not draft.targets.wants(Service.IPV6):
        return
    tenants = [vantage for vantage in draft.tenants if draft.network_of(vantage) in networks]
    fit = [vantage for vantage in tenants if vantage.name in draft.able.packets]
    if not fit:
        draft.leave_out(Service.IPV6, "ICMPv6", "no tenant with raw sockets (root)")
    elif not draft.targets.egress6:
        draft.leave_out(
            Service.IPV6, "ICMPv6", "egress_target6 is not given: an IPv6 address outside that tenants may ping"
        )
    else:
        for vantage in fit:
            draft.add(
                Service.IPV6, Prober.ICMP6, vantage, draft.targets.egress6, draft.intervals.icmp6,
                flow="new", headline=True,
            )  # fmt: skip
    listener = next((vantage for vantage in fit if vantage.name in draft.able.interfaces), None)
    if listener is not None:
        keys = Keys(interface=draft.able.interfaces[listener.name])
        draft.add(Service.IPV6, Prober.RA, listener, FROM_ANY, HEARTBEAT_S, keys=keys)
