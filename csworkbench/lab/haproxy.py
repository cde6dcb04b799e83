# SPDX-License-Identifier: Apache-2.0
"""haproxy's configuration in the shape that CloudStack writes it; pure text."""

from __future__ import annotations

import os

from csworkbench.lab.records import REVOKE, BalancerRule, InternalBalancer, Network, Router, Served

_BALANCE = {"roundrobin": "roundrobin", "leastconn": "leastconn", "source": "source"}
_HTTP_PORT = 80
_DUMMY = "listen vmops\n\tbind 0.0.0.0:9\n\toption transparent\n"
"""haproxy refuses a configuration without any listener."""


def of(router: Router, *, serving: bool, lost: Network | None = None) -> str:
    """The configuration of a router or an internal LB VM; `lost`: the tier whose rules a router does not have."""
    served = router.served
    if router.role == "INTERNAL_LB_VM" and isinstance(served, Network):
        return internal(served, router.guests[0].address, serving=serving)
    return configuration(served, serving=serving, lost=lost)


def configuration(served: Served, *, serving: bool, lost: Network | None = None) -> str:
    """One listener per public address and port; the dummy alone when there is none, or before rules are applied."""
    networks = [network for network in served.networks if network is not lost] if serving else []
    known = [rule for network in networks for rule in network.balancers]
    rules = [rule for rule in known if rule.state != REVOKE and rule.vms]
    if not rules or served.source_nat is None:
        return _head() + _DUMMY
    listeners = (_listener(rule.ip.address, rule.public_port, rule) for rule in rules)
    return _head() + _stats(served.source_nat.address) + "".join(listeners)


def internal(tier: Network, address: str, *, serving: bool) -> str:
    """One listener per port of that address of a tier."""
    known = [rule for rule in tier.internal_balancers if rule.address == address] if serving else []
    rules = [rule for rule in known if rule.state != REVOKE and rule.vms]
    if not rules:
        return _head() + _DUMMY
    return _head() + "".join(_listener(address, rule.port, rule) for rule in rules)


def _head() -> str:
    user = "\tuser haproxy\n\tgroup haproxy\n" if os.geteuid() == 0 else ""  # the only uid there is, otherwise
    return (
        f"global\n\tmaxconn 4096\n\tmaxpipes 1024\n{user}\n"
        "defaults\n\tmode tcp\n\toption dontlognull\n\tretries 3\n\toption redispatch\n\toption forwardfor\n"
        "\ttimeout connect 5000\n\ttimeout client 50000\n\ttimeout server 50000\n\n"
    )


def _stats(address: str) -> str:
    return (
        f"listen stats_on_public\n\tbind {address}:8081\n\tmode http\n\toption httpclose\n\tstats enable\n"
        "\tstats uri /admin?stats\n\tstats realm Haproxy\\ Statistics\n\tstats auth admin1:AdMiN123\n\n"
    )


def _listener(address: str, port: int, rule: BalancerRule | InternalBalancer) -> str:
    name = f"{address.replace('.', '_')}-{port}"
    servers = "".join(
        f"\tserver {name}_{number} {vm.address}:{rule.private_port} check\n" for number, vm in enumerate(rule.vms)
    )
    mode = "\tmode http\n\toption httpclose\n" if port == _HTTP_PORT else ""
    return f"listen {name}\n\tbind {address}:{port}\n\tbalance {_BALANCE[rule.algorithm]}\n{servers}{mode}\n"
