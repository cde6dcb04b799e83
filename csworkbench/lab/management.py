# SPDX-License-Identifier: Apache-2.0
"""The management server's state: what exists, who calls, which release it is."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from csworkbench.lab import records
from csworkbench.lab.conditions import Conditions
from csworkbench.lab.events import Event, EventFamily, EventLog
from csworkbench.lab.faults import Faults
from csworkbench.lab.health import Health
from csworkbench.lab.jobs import Jobs
from csworkbench.lab.keypairs import KeyPair
from csworkbench.lab.limits import Limits
from csworkbench.lab.orchestrator import Orchestrator
from csworkbench.lab.profiles import Profile
from csworkbench.lab.records import AclList, Network, PublicIp, Router, Served, Vm, Vpc
from csworkbench.lab.sessions import Accounts, RateLimit, Sessions, current
from csworkbench.lab.settings import Settings
from csworkbench.lab.systemvm_machine import SystemVm
from csworkbench.lab.systemvm_manager import SystemVms
from csworkbench.lab.tenants import Tenants


class _Row(Protocol):
    @property
    def id(self) -> str: ...


Identified = TypeVar("Identified", bound=_Row)


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
    second_zone: str
    redundant_offering: str
    tier_offering: str
    internal_offering: str
    shared_offering: str
    vpc_offering: str
    redundant_vpc_offering: str

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
    networks: list[Network]
    vpcs: list[Vpc]
    fixtures: Fixtures
    rng: random.Random
    log: EventLog
    jobs: Jobs
    orchestrator: Orchestrator
    started: datetime = field(default_factory=records.now)
    created: datetime = field(default_factory=records.now)
    """When the cloud was set up: its accounts and domains are as old."""
    owner: str = "ops"
    """The account that the network belongs to; the caller is a root admin with an account of its own."""
    admin_account: str = "admin"
    maintenance: bool = False
    """It answers, but takes no new jobs."""
    tenants: Tenants | None = None
    """The tenants' machines; None in tests of the API alone."""
    system_vms: SystemVms | None = None
    """The zone's; None in tests of the API alone."""
    away: bool = False
    """Its process is down: connections are closed without an answer."""
    key_pairs: list[KeyPair] = field(default_factory=list)
    accounts: Accounts = field(init=False)
    sessions: Sessions = field(default_factory=Sessions)
    rate: RateLimit = field(default_factory=RateLimit)
    health: Health = field(init=False)
    limits: Limits = field(default_factory=Limits)
    conditions: Conditions = field(init=False)
    faults: Faults = field(default_factory=Faults)
    restarted: Callable[[], None] | None = None
    """Called when its process has started again; raises LabError."""

    def __post_init__(self) -> None:
        fixed = self.fixtures
        ids = ((fixed.admin_account, fixed.admin_user), (fixed.ops_account, fixed.ops_user))
        self.accounts = Accounts(self.key, self.secret, fixed.domain, ids)
        self.jobs.lost_with = self.restart
        self.health = Health(self.settings, self.orchestrator)
        self.use_faults(self.faults)
        self.conditions = Conditions(fixed.vm_template)

    def use_faults(self, faults: Faults) -> None:
        """From now on these decide what goes wrong here, in the jobs, the event log and the health checks."""
        self.faults = self.jobs.faults = self.log.faults = self.health.faults = faults

    @property
    def profile(self) -> Profile:
        """The release that runs now."""
        return self.settings.profile

    def new_id(self) -> str:
        """A fresh UUID."""
        return records.new_id(self.rng)

    @property
    def network(self) -> Network:
        """The first network: the one that a run measures when the cloud has only this one."""
        return self.networks[0]

    @property
    def served(self) -> list[Served]:
        """Everything that has routers: networks, VPCs, and tiers for their internal load balancers."""
        return [*self.networks, *self.vpcs]

    @property
    def routers(self) -> list[Router]:
        """Every router and internal load balancer VM that is not expunged."""
        return [router for served in self.served for router in served.routers]

    @property
    def ips(self) -> list[PublicIp]:
        """Every public address that somebody has acquired."""
        own = [ip for network in self.networks if network.vpc is None for ip in network.ips]
        return own + [ip for vpc in self.vpcs for ip in vpc.ips]

    @property
    def acl_lists(self) -> list[AclList]:
        """Every network ACL list; VPCs may share the two default ones."""
        return list({acl.id: acl for vpc in self.vpcs for acl in vpc.acl_lists}.values())

    @property
    def vms(self) -> list[Vm]:
        """Every tenant VM."""
        return [vm for network in self.networks for vm in network.vms]

    @property
    def system_vm_rows(self) -> list[SystemVm]:
        """Every system VM that is not expunged."""
        return [] if self.system_vms is None else self.system_vms.rows

    def knows(self, entity: str, identity: str) -> bool:
        """Whether a row of that kind has that id."""
        finder = self._finders().get(entity)
        return finder is not None and identity in finder()

    def find(self, rows: Iterable[Identified], identity: str) -> Identified:
        """The row with that id, which `knows` has confirmed."""
        return next(row for row in rows if row.id == identity)

    def router(self, identity: str) -> Router:
        """The router with that id, which `knows` has confirmed."""
        return self.find(self.routers, identity)

    def zone_name(self, zone: str) -> str:
        """`zone1` or `zone2`."""
        return "zone1" if zone == self.fixtures.zone else "zone2"

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
        if self.restarted is not None:
            self.restarted()

    def _finders(self) -> dict[str, Callable[[], set[str]]]:
        fixed = self.fixtures

        def ids(rows: Callable[[], Iterable[_Row]]) -> Callable[[], set[str]]:
            return lambda: {row.id for row in rows()}

        return {
            "network": ids(lambda: self.networks),
            "vpc": ids(lambda: self.vpcs),
            "systemvm": ids(lambda: self.system_vm_rows),
            "anysystemvm": ids(lambda: [*self.system_vm_rows, *self.routers]),
            "router": ids(lambda: (router for router in self.routers if router.role == "VIRTUAL_ROUTER")),
            "ilbvm": ids(lambda: (router for router in self.routers if router.role == "INTERNAL_LB_VM")),
            "vm": ids(lambda: self.vms),
            "ip": ids(lambda: self.ips),
            "firewall": ids(lambda: (rule for network in self.networks for rule in network.firewall)),
            "firewall6": ids(lambda: (rule for network in self.networks for rule in network.firewall6)),
            "egress": ids(lambda: (rule for network in self.networks for rule in network.egress)),
            "forwarding": ids(lambda: (rule for network in self.networks for rule in network.forwarding)),
            "loadbalancer": ids(lambda: (rule for network in self.networks for rule in network.balancers)),
            "internalbalancer": ids(lambda: (rule for network in self.networks for rule in network.internal_balancers)),
            "acllist": ids(lambda: self.acl_lists),
            "aclrule": ids(lambda: (rule for acl in self.acl_lists for rule in acl.rules)),
            "keypair": ids(lambda: self.key_pairs),
            "event": ids(lambda: self.log.events),
            "alert": ids(lambda: self.log.alerts),
            "zone": lambda: {fixed.zone, fixed.second_zone},
            "pod": lambda: {fixed.pod},
            "cluster": lambda: {fixed.cluster},
            "host": lambda: {fixed.host, *(vm.host_id for vm in self.system_vm_rows)},
            "server": lambda: {fixed.server},
            "domain": lambda: self.accounts.ids()["domain"],
            "account": lambda: self.accounts.ids()["account"],
            "user": lambda: self.accounts.ids()["user"],
            "counter": lambda: set(self.conditions.counters),
            "condition": lambda: set(self.conditions.conditions),
            "serviceoffering": lambda: {fixed.router_offering, fixed.vm_offering},
            "networkoffering": lambda: {
                fixed.network_offering,
                fixed.redundant_offering,
                fixed.tier_offering,
                fixed.internal_offering,
                fixed.shared_offering,
            },
            "vpcoffering": lambda: {fixed.vpc_offering, fixed.redundant_vpc_offering},
            "template": lambda: {fixed.router_template, fixed.vm_template},
            "physicalnetwork": lambda: {fixed.guest_physical_network},
            "vlan": lambda: {fixed.vlan},
        }
