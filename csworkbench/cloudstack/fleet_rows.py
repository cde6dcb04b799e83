# SPDX-License-Identifier: Apache-2.0
"""Rows of cloud-wide lists as the workbench keeps them. Pure; every text is bounded."""

from collections.abc import Mapping

from csworkbench.model.fleet import (
    Capacity,
    GuestNetwork,
    Host,
    Kind,
    PendingJob,
    Rule,
    Server,
    SettingSeen,
    SystemVm,
    Template,
    Vpc,
    Zone,
)

from .envelope import Row, flag, number, rows, string
from .family import parse_created

SHORT = 255
_AGENT_KINDS = {"consoleproxy": Kind.CPVM, "secondarystoragevm": Kind.SSVM}
_DATE_LIMIT = 40


def _text(row: Row, name: str, limit: int = SHORT) -> str:
    return string(row.get(name), limit)


def _moment_s(row: Row, name: str) -> int:
    found = parse_created(row.get(name))
    return found[0] if found else 0


def router(row: Row, network_names: Mapping[str, str]) -> SystemVm:
    """A row of listRouters or listInternalLoadBalancerVMs. MASTER (to 4.15) reads PRIMARY."""
    networks = [_text(nic, "networkid", 64) for nic in rows(row, "nic") if nic.get("traffictype") == "Guest"]
    networks = list(dict.fromkeys([*networks, _text(row, "guestnetworkid", 64)]))
    networks = [n for n in networks if n]
    vpc_id = _text(row, "vpcid", 64)
    kind = Kind.VPC_ROUTER if vpc_id else Kind.ROUTER
    if _text(row, "role") == "INTERNAL_LB_VM":
        kind = Kind.INTERNAL_LB
    redundant = flag(row.get("isredundantrouter"))
    role = _text(row, "redundantstate", 32) if redundant else ""
    version = _text(row, "version", 64)
    return SystemVm(
        id=_text(row, "id", 64),
        name=_text(row, "name"),
        kind=kind,
        state=_text(row, "state", 32),
        version="" if version == "UNKNOWN" else version,
        software_version=_text(row, "softwareversion", 64),
        scripts_version=_text(row, "scriptsversion", 200),
        requires_upgrade=flag(row["requiresupgrade"]) if "requiresupgrade" in row else None,
        redundant=redundant,
        redundant_state="PRIMARY" if role == "MASTER" else role,
        health_failed=flag(row.get("healthchecksfailed")),
        created_s=_moment_s(row, "created"),
        zone_id=_text(row, "zoneid", 64),
        zone=_text(row, "zonename"),
        hypervisor=_text(row, "hypervisor", 32),
        host_id=_text(row, "hostid", 64),
        host=_text(row, "hostname"),
        network_ids=tuple(networks),
        network=_text(row, "guestnetworkname") or next((network_names[n] for n in networks if n in network_names), ""),
        vpc_id=vpc_id,
        vpc=_text(row, "vpcname"),
        account=_text(row, "project") or _text(row, "account"),
        domain=_text(row, "domain"),
        pod_id=_text(row, "podid", 64),
        pod=_text(row, "podname"),
    )


def agent_vm(row: Row, agents: Mapping[str, str]) -> SystemVm:
    """A row of listSystemVms; before 4.13.1 the agent's version stands in its row of listHosts only (`agents`)."""
    name = _text(row, "name")
    return SystemVm(
        id=_text(row, "id", 64),
        name=name,
        kind=_AGENT_KINDS.get(_text(row, "systemvmtype"), Kind.SSVM),
        state=_text(row, "state", 32),
        agent_version=_text(row, "version", 64) or agents.get(name, ""),
        agent_state=_text(row, "agentstate", 32),
        created_s=_moment_s(row, "created"),
        zone_id=_text(row, "zoneid", 64),
        zone=_text(row, "zonename"),
        hypervisor=_text(row, "hypervisor", 32),
        host_id=_text(row, "hostid", 64),
        host=_text(row, "hostname"),
        pod_id=_text(row, "podid", 64),
        pod=_text(row, "podname"),
    )


def host(row: Row) -> Host:
    """A hypervisor of listHosts."""
    return Host(
        id=_text(row, "id", 64),
        name=_text(row, "name"),
        state=_text(row, "state", 32),
        resource_state=_text(row, "resourcestate", 32),
        version=_text(row, "version", 64),
        hypervisor=_text(row, "hypervisor", 32),
        zone_id=_text(row, "zoneid", 64),
        zone=_text(row, "zonename"),
    )


def server(row: Row) -> Server:
    """A row of listManagementServers."""
    return Server(
        _text(row, "name"), _text(row, "state", 32), _text(row, "version", 64), _moment_s(row, "lastserverstart")
    )


def zone(row: Row) -> Zone:
    """A row of listZones."""
    return Zone(_text(row, "id", 64), _text(row, "name"), _text(row, "allocationstate", 32) != "Disabled")


def is_system_template(row: Row) -> bool:
    """Whether system VMs are made from it."""
    return _text(row, "templatetype", 32).upper() == "SYSTEM"


def template(row: Row) -> Template:
    """A row of listTemplates."""
    return Template(
        id=_text(row, "id", 64),
        name=_text(row, "name"),
        zone_id=_text(row, "zoneid", 64),
        zone=_text(row, "zonename"),
        hypervisor=_text(row, "hypervisor", 32),
        ready=flag(row.get("isready")),
        status=_text(row, "status"),
    )


def network(row: Row) -> GuestNetwork:
    """A row of listNetworks."""
    return GuestNetwork(
        id=_text(row, "id", 64),
        name=_text(row, "name"),
        state=_text(row, "state", 32),
        zone_id=_text(row, "zoneid", 64),
        redundant=flag(row.get("redundantrouter")),
        restart_required=flag(row.get("restartrequired")),
        vpc_id=_text(row, "vpcid", 64),
        vpn=any(_text(service, "name") == "Vpn" for service in rows(row, "service")),
    )


def vpc(row: Row) -> Vpc:
    """A row of listVPCs."""
    return Vpc(
        id=_text(row, "id", 64),
        name=_text(row, "name"),
        zone_id=_text(row, "zoneid", 64),
        redundant=flag(row.get("redundantvpcrouter")),
        restart_required=flag(row.get("restartrequired")),
        tiers=tuple(_text(tier, "name") for tier in rows(row, "network")),
    )


def rule(row: Row, kind: str) -> Rule:
    """A row of one of the lists of rules."""
    address = _text(row, "ipaddress", 64) or _text(row, "publicip", 64) or _text(row, "cidrlist", 64)
    port = _text(row, "publicport", 16) or _text(row, "startport", 16)
    return Rule(
        kind=kind,
        id=_text(row, "id", 64),
        state=_text(row, "state", 32),
        network_id=_text(row, "networkid", 64),
        text=" ".join(w for w in (_text(row, "name", 60), _text(row, "protocol", 16), address, port) if w),
    )


def job(row: Row) -> PendingJob:
    """A row of listAsyncJobs."""
    return PendingJob(
        id=_text(row, "jobid", 64),
        command=_text(row, "cmd").rsplit(".", 1)[-1].removesuffix("Cmd"),
        instance_id=_text(row, "jobinstanceid", 64),
        created=_text(row, "created", _DATE_LIMIT),
    )


def capacity(row: Row) -> Capacity:
    """A row of listCapacity."""
    return Capacity(
        type=number(row.get("type")),
        zone_id=_text(row, "zoneid", 64),
        zone=_text(row, "zonename"),
        used=number(row.get("capacityused")),
        total=number(row.get("capacitytotal")),
    )


def setting(row: Row, zone_id: str = "") -> SettingSeen:
    """A row of listConfigurations."""
    return SettingSeen(_text(row, "name"), _text(row, "value", 2_000), zone_id)


def router_size(offerings: list[Row]) -> tuple[int, int]:
    """(bytes of memory, MHz) of the largest offering for routers; zeros when none was listed."""
    sizes = [
        (number(o.get("memory")) << 20, number(o.get("cpunumber")) * number(o.get("cpuspeed")))
        for o in offerings
        if _text(o, "systemvmtype") == "domainrouter"
    ]
    return max(sizes, default=(0, 0))
