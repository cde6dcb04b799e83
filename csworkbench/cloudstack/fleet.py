# SPDX-License-Identifier: Apache-2.0
"""The whole cloud, or all that one network or VPC touches, read for an upgrade (cloudstack-api.md 3.1 to 3.6, 9).

Every list is paged and within the client's budget of calls. What the key may not list is noted in `Fleet.hidden`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from csworkbench.model.fleet import Fleet, Hidden, Partial, Rule, SettingSeen

from . import fleet_rows as to
from .client import Client, Value, written
from .discovery import Capabilities
from .envelope import Row, number, string
from .errors import Account, BadParameter, CloudStackError, Unauthorized, Unsupported
from .networks import ALL_PROJECTS, find_network
from .paging import PAGE_SIZE, all_rows

MOST_RULES = 20 * PAGE_SIZE
"""Of each kind: at most 100 calls for all five kinds."""
MOST_ZONES = 20
ZONE_SETTINGS = ("minreq.sysvmtemplate.version", "router.health.checks.failures.to.recreate.vr")
_REFUSALS = (Unauthorized, Unsupported, Account)
_MAY_REFUSE_ALL = {"listTemplates"}  # templatefilter=all is answered with 431 to users
_RULES = (
    ("listFirewallRules", "firewallrule", "firewall"),
    ("listEgressFirewallRules", "firewallrule", "egress"),
    ("listPortForwardingRules", "portforwardingrule", "port forwarding"),
    ("listLoadBalancerRules", "loadbalancerrule", "load balancer"),
    ("listNetworkACLs", "networkacl", "network ACL"),
)

Progress = Callable[[str, int, int], None]
"""(command, rows read, rows there are)."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One network or VPC, or with a zone alone its SSVM and CPVM, in place of the whole cloud."""

    network_id: str = ""
    vpc_id: str = ""
    zone_id: str = ""
    project_id: str = ""

    @property
    def of_zone(self) -> bool:
        """Whether it is what serves a zone, SSVM and CPVM, and no network."""
        return not self.network_id and not self.vpc_id

    @property
    def params(self) -> dict[str, Value]:
        """Filters of the lists of routers and rules. A tier's router is that of its VPC."""
        return {"networkid": self.network_id or None, "vpcid": None if self.network_id else self.vpc_id or None}


def _silent(_command: str, _read: int, _total: int) -> None:
    """Nobody watches."""


async def read_fleet(client: Client, scope: Scope | None = None, progress: Progress = _silent) -> Fleet:
    """Read what an upgrade has to know. Raises CloudStackError other than a role's refusals."""
    capabilities = await client.capabilities()
    reader = _Reader(client, capabilities, scope, progress)
    hosts = await reader.rows("listHosts", "host")
    zones = await reader.rows("listZones", "zone")
    networks = [to.network(row) for row in await reader.networks()]
    vpcs = [to.vpc(row) for row in await reader.vpcs()]
    names = {n.id: n.name for n in networks}
    vms = [to.router(row, names) for row in await reader.of_tenants("listRouters", "router", within=True)]
    balancers = await reader.of_tenants("listInternalLoadBalancerVMs", "internalloadbalancervm", within=True)
    vms += [to.router(row, names) for row in balancers]
    zone: dict[str, Value] = {"zoneid": scope.zone_id or None} if scope is not None else {}
    agents = {string(h.get("name"), to.SHORT): string(h.get("version"), 64) for h in hosts}
    if scope is None or scope.of_zone:
        vms += [to.agent_vm(row, agents) for row in await reader.rows("listSystemVms", "systemvm", zone)]
    unfinished, rules_read = await reader.rules()
    settings = await reader.settings([to.zone(z).id for z in zones if to.zone(z).enabled])
    memory, mhz = to.router_size(await reader.router_offerings())
    return Fleet(
        server_version=capabilities.version,
        live_patch=capabilities.has_param("restartNetwork", "livepatch"),
        vms=tuple(vms),
        hosts=tuple(to.host(row) for row in hosts if string(row.get("type")) in ("", "Routing")),
        servers=tuple(to.server(row) for row in await reader.rows("listManagementServers", "managementserver")),
        zones=tuple(to.zone(row) for row in zones),
        templates=tuple(to.template(row) for row in await reader.templates()),
        networks=tuple(networks),
        vpcs=tuple(vpcs),
        rules=tuple(unfinished),
        rules_read=rules_read,
        jobs=tuple(to.job(row) for row in await reader.rows("listAsyncJobs", "asyncjobs")),
        capacities=tuple(to.capacity(row) for row in await reader.rows("listCapacity", "capacity")),
        router_memory=memory,
        router_cpu_mhz=mhz,
        settings=tuple(settings),
        hidden=tuple(reader.hidden.values()),
        partial=tuple(reader.partial),
    )


async def read_settings(client: Client) -> Fleet:
    """The settings alone; `hidden` tells when the key may not list them. Raises CloudStackError."""
    reader = _Reader(client, await client.capabilities(), None, _silent)
    zones = await reader.rows("listZones", "zone")
    settings = await reader.settings([to.zone(z).id for z in zones if to.zone(z).enabled])
    return Fleet(settings=tuple(settings), hidden=tuple(reader.hidden.values()))


async def scope_of(client: Client, network_name_or_id: str) -> tuple[Scope, str]:
    """(all that this network touches, its name). Raises UnknownNetwork, AmbiguousNetwork or CloudStackError."""
    row = await find_network(client, network_name_or_id)
    fields = (string(row.get(name), 64) for name in ("id", "vpcid", "zoneid", "projectid"))
    return Scope(*fields), string(row.get("name"), to.SHORT)


class _Reader:
    """Lists within one scope; remembers what it was refused and where it stopped."""

    def __init__(self, client: Client, capabilities: Capabilities, scope: Scope | None, progress: Progress) -> None:
        self._client, self._capabilities, self._progress = client, capabilities, progress
        self._scope = scope
        self._projects: bool | None = None
        self.hidden: dict[str, Hidden] = {}
        self.partial: list[Partial] = []

    async def rows(
        self, command: str, object_key: str, params: Mapping[str, Value] | None = None, *, most: int = 0
    ) -> list[Row]:
        """All rows, or the first `most` ones; empty, and noted, when the key may not list them."""
        if not self._capabilities.has(command):
            self.hidden.setdefault(command, Hidden(command, "not offered to this key by this release"))
            return []
        read = total = 0

        async def fetch(page: Mapping[str, str]) -> Row:
            nonlocal read, total
            if most and read >= most:
                self.partial.append(Partial(command, read, total))
                return {}
            reply = await self._client.exchange(command, page)
            found = reply.payload.get(object_key)
            read += len(found) if isinstance(found, list) else 0
            total = max(total, number(reply.payload.get("count")), read)
            self._progress(command, read, total)
            return reply.payload

        try:
            return await all_rows(command, object_key, fetch, written({"listall": True, **(params or {})}))
        except CloudStackError as error:
            refused = isinstance(error, _REFUSALS)
            if not refused and not (isinstance(error, BadParameter) and command in _MAY_REFUSE_ALL):
                raise
            self.hidden.setdefault(command, Hidden(command, error.text))
            return []

    async def has_projects(self) -> bool:
        """Whether rows may belong to projects, which every list leaves out unless they are asked for."""
        if self._projects is None:
            known = self._capabilities.has("listProjects")
            self._projects = known and bool(await self.rows("listProjects", "project", most=PAGE_SIZE))
        return self._projects

    async def of_tenants(self, command: str, object_key: str, *, within: bool = False, most: int = 0) -> list[Row]:
        """Rows of accounts and of projects; with `within` only those of the scope."""
        scope = self._scope if within else None
        if scope is not None and scope.of_zone:
            return []
        if scope is not None and scope.project_id:
            return await self.rows(command, object_key, {**scope.params, "projectid": scope.project_id}, most=most)
        found = await self.rows(command, object_key, scope.params if scope else None, most=most)
        if command in self.hidden or scope is not None or not await self.has_projects():
            return found
        try:
            in_projects = await self.rows(command, object_key, {"projectid": ALL_PROJECTS}, most=most)
        except CloudStackError:
            return found  # a role that sees no projects; its own rows are there
        self.hidden.pop(command, None)
        known = {row.get("id") for row in found}
        return found + [row for row in in_projects if row.get("id") not in known]

    async def networks(self) -> list[Row]:
        """Those of the scope: the network itself, or a VPC's tiers."""
        scope = self._scope
        if scope is None:
            return await self.of_tenants("listNetworks", "network")
        if scope.of_zone:
            return []
        one: dict[str, Value] = {"vpcid": scope.vpc_id} if scope.vpc_id else {"id": scope.network_id}
        return await self.rows("listNetworks", "network", {**one, "projectid": scope.project_id or None})

    async def vpcs(self) -> list[Row]:
        """All, or that of the scope."""
        scope = self._scope
        if scope is None:
            return await self.of_tenants("listVPCs", "vpc")
        if not scope.vpc_id:
            return []
        return await self.rows("listVPCs", "vpc", {"id": scope.vpc_id, "projectid": scope.project_id or None})

    async def rules(self) -> tuple[list[Rule], int]:
        """(rules that are not Active, how many rules were read)."""
        most = MOST_RULES
        unfinished: list[Rule] = []
        read = 0
        for command, key, kind in _RULES:
            if command == "listNetworkACLs" and self._scope is not None and not self._scope.vpc_id:
                continue
            found = await self.of_tenants(command, key, within=True, most=most)
            read += len(found)
            unfinished += [to.rule(row, kind) for row in found if string(row.get("state")) not in ("", "Active")]
        return unfinished, read

    async def templates(self) -> list[Row]:
        """The system VM templates, one row for each zone."""
        params: dict[str, Value] = {"templatefilter": "all"}
        if self._capabilities.has_param("listTemplates", "templatetype"):
            params["templatetype"] = "SYSTEM"
        found = await self.rows("listTemplates", "template", params)
        return [row for row in found if to.is_system_template(row)]

    async def settings(self, zone_ids: list[str]) -> list[SettingSeen]:
        """All global settings, and of each zone those that decide about its routers."""
        seen = [to.setting(row) for row in await self.rows("listConfigurations", "configuration")]
        if "listConfigurations" in self.hidden:
            return seen
        wanted = [z for z in zone_ids if not self._scope or not self._scope.zone_id or z == self._scope.zone_id]
        for zone_id in wanted[:MOST_ZONES]:
            for name in ZONE_SETTINGS:
                rows = await self.rows("listConfigurations", "configuration", {"name": name, "zoneid": zone_id})
                seen += [to.setting(row, zone_id) for row in rows if string(row.get("name")) == name]
        return seen

    async def router_offerings(self) -> list[Row]:
        """The system offerings of routers: how large a new one is."""
        params: dict[str, Value] = {"issystem": True, "systemvmtype": "domainrouter"}
        return await self.rows("listServiceOfferings", "serviceoffering", params)
