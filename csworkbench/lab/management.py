# SPDX-License-Identifier: Apache-2.0
"""The management server's state: what exists, who calls, which release it is."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from csworkbench.lab import records
from csworkbench.lab.events import Event, EventFamily, EventLog
from csworkbench.lab.health import Health
from csworkbench.lab.jobs import Jobs
from csworkbench.lab.orchestrator import Orchestrator
from csworkbench.lab.profiles import Profile
from csworkbench.lab.records import Network, Router
from csworkbench.lab.sessions import Accounts, RateLimit, Sessions, current
from csworkbench.lab.settings import Settings
from csworkbench.lab.tenants import Tenants


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
    ops_user: str

    @classmethod
    def make(cls, rng: random.Random) -> Fixtures:
        """All ids, from the state directory's seed."""
        return cls(*(records.new_id(rng) for _ in cls.__dataclass_fields__))


@dataclass(slots=True)
class Management:
    """What the API's commands work on."""

    settings: Settings
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
    maintenance: bool = False
    """It answers, but takes no new jobs."""
    tenants: Tenants | None = None
    """The tenants' machines; None in tests of the API alone."""
    away: bool = False
    """Its process is down: connections are closed without an answer."""
    accounts: Accounts = field(init=False)
    sessions: Sessions = field(default_factory=Sessions)
    rate: RateLimit = field(default_factory=RateLimit)
    health: Health = field(init=False)

    def __post_init__(self) -> None:
        fixed = self.fixtures
        ids = ((fixed.admin_account, fixed.admin_user), (fixed.ops_account, fixed.ops_user))
        self.accounts = Accounts(self.key, self.secret, ids)
        self.health = Health(self.settings, self.network, self.orchestrator)

    @property
    def profile(self) -> Profile:
        """The release that runs now."""
        return self.settings.profile

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
        user = current().user
        first = Event(self.new_id(), kind, "INFO", description, "Scheduled", self.owner, user, None, resource)
        self.log.events.append(first)
        return EventFamily(self.log, self.new_id, self.owner, user, first, first.id, self.log.starts)

    def begin_unscheduled(self, kind: str, resource: tuple[str, str, str]) -> EventFamily:
        """A family without a Scheduled event, as of a job that another command made: its parent is a dummy."""
        first = Event("", kind, "INFO", "", "Scheduled", self.owner, current().user, None, resource)
        dummy = self.log.events[0].id if self.log.events else None  # number 1 in the database
        return EventFamily(self.log, self.new_id, self.owner, first.user, first, dummy, self.log.starts)

    def restart(self) -> None:
        """The management server's process ends and starts: jobs and sessions are lost, settings are read."""
        self.jobs.lose()
        self.sessions.clear()
        self.rate.clear()
        self.log.starts += 1
        self.maintenance = False
        self.settings.server_started()
        self.started = records.now()

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
            "loadbalancer": lambda: {rule.id for rule in network.balancers},
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
