# SPDX-License-Identifier: Apache-2.0
"""The management server's state: what exists, who calls, which release it is."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from csworkbench.lab import records
from csworkbench.lab.events import Event, EventFamily, EventLog
from csworkbench.lab.jobs import Jobs
from csworkbench.lab.orchestrator import Orchestrator
from csworkbench.lab.profiles import Profile
from csworkbench.lab.records import Network, Router


@dataclass(frozen=True, slots=True)
class Fixtures:
    """Rows that never change: ids of the zone, its hardware, offerings, templates and accounts."""

    zone: str
    pod: str
    cluster: str
    host: str
    server: str
    domain: str
    ops_account: str
    admin_account: str
    admin_user: str
    router_offering: str
    vm_offering: str
    network_offering: str
    router_template: str
    vm_template: str
    guest_physical_network: str
    public_network: str
    control_network: str
    vlan: str

    @classmethod
    def make(cls, rng: random.Random) -> Fixtures:
        """All ids, from the state directory's seed."""
        return cls(*(records.new_id(rng) for _ in cls.__dataclass_fields__))


@dataclass(slots=True)
class Management:
    """What the API's commands work on."""

    profile: Profile
    key: str
    secret: str
    network: Network
    fixtures: Fixtures
    rng: random.Random
    log: EventLog
    jobs: Jobs
    orchestrator: Orchestrator
    started: datetime = field(default_factory=records.now)
    owner: str = "ops"
    """The account that the network belongs to; the caller is a root admin with an account of its own."""
    admin_account: str = "admin"

    def new_id(self) -> str:
        """A fresh UUID."""
        return records.new_id(self.rng)

    @property
    def routers(self) -> list[Router]:
        """Every router that is not expunged."""
        return self.network.routers

    def knows(self, entity: str, identity: str) -> bool:
        """Whether a row of that kind has that id."""
        finder = self._finders().get(entity)
        return finder is not None and identity in finder()

    def router(self, identity: str) -> Router:
        """The router with that id, which `knows` has confirmed."""
        return next(router for router in self.routers if router.id == identity)

    def begin(self, kind: str, description: str, resource: tuple[str, str, str]) -> EventFamily:
        """Write the Scheduled event of an accepted command."""
        first = Event(self.new_id(), kind, "INFO", description, "Scheduled", self.owner, "admin", None, resource)
        self.log.events.append(first)
        return EventFamily(self.log, self.new_id, self.owner, "admin", first)

    def _finders(self) -> dict[str, Callable[[], set[str]]]:
        network, fixed = self.network, self.fixtures
        return {
            "network": lambda: {network.id},
            "router": lambda: {router.id for router in network.routers},
            "vm": lambda: {vm.id for vm in network.vms},
            "ip": lambda: {ip.id for ip in network.ips},
            "firewall": lambda: {rule.id for rule in network.firewall},
            "egress": lambda: {rule.id for rule in network.egress},
            "forwarding": lambda: {rule.id for rule in network.forwarding},
            "event": lambda: {event.id for event in self.log.events},
            "alert": lambda: {alert.id for alert in self.log.alerts},
            "zone": lambda: {fixed.zone},
            "pod": lambda: {fixed.pod},
            "cluster": lambda: {fixed.cluster},
            "host": lambda: {fixed.host},
            "server": lambda: {fixed.server},
            "domain": lambda: {fixed.domain},
            "account": lambda: {fixed.ops_account, fixed.admin_account},
            "serviceoffering": lambda: {fixed.router_offering, fixed.vm_offering},
            "networkoffering": lambda: {fixed.network_offering},
            "template": lambda: {fixed.router_template, fixed.vm_template},
            "physicalnetwork": lambda: {fixed.guest_physical_network},
            "vlan": lambda: {fixed.vlan},
        }
