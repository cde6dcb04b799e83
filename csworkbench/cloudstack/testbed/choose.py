# SPDX-License-Identifier: Apache-2.0
"""Zone, template and offerings of a bed: those that were named, or the one that suits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from csworkbench.cloudstack.client import Client
from csworkbench.cloudstack.envelope import Row, flag, number, rows, string
from csworkbench.cloudstack.errors import BadTarget
from csworkbench.cloudstack.text import one_line

NEEDED = frozenset({"SourceNat", "Dhcp", "Dns", "Firewall", "PortForwarding", "StaticNat", "Lb", "UserData"})
COMMANDS = (
    "listZones", "listTemplates", "listServiceOfferings", "listNetworkOfferings", "listNetworks",
    "listVirtualMachines", "listPublicIpAddresses", "listFirewallRules", "listEgressFirewallRules",
    "listPortForwardingRules", "listLoadBalancerRules", "listSSHKeyPairs", "registerSSHKeyPair", "createNetwork",
    "deployVirtualMachine", "associateIpAddress", "createFirewallRule", "createEgressFirewallRule",
    "createPortForwardingRule", "createLoadBalancerRule", "assignToLoadBalancerRule", "enableStaticNat",
    "deleteEgressFirewallRule", "disassociateIpAddress", "destroyVirtualMachine", "deleteNetwork", "deleteSSHKeyPair",
)  # fmt: skip
BUILT_IN_OFFERING = "DefaultIsolatedNetworkOfferingWithSourceNatService"


class Ambiguous(BadTarget):
    """Several would do. `option` is the command line's name for it, `found` the names by id."""

    def __init__(self, command: str, what: str, option: str, found: Mapping[str, str]) -> None:
        self.what, self.option, self.found = what, option, found
        names = ", ".join(one_line(name, 80) for name in list(found.values())[:20])
        more = f" and {len(found) - 20} more" if len(found) > 20 else ""
        super().__init__(command, f"{len(found)} {what}s would do: {names}{more}", hint=f"Name one with {option}.")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for: names or ids, empty for whatever suits."""

    zone: str = ""
    template: str = ""
    offering: str = ""
    network_offering: str = ""
    redundant: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """The rows that were chosen."""

    zone: Row
    template: Row
    offering: Row
    network_offering: Row


async def choose(client: Client, wishes: Wishes) -> Chosen:
    """Ask the server. Raises Ambiguous, BadTarget, CloudStackError."""
    capabilities = await client.capabilities()
    missing = [command for command in COMMANDS if not capabilities.has(command)]
    if missing:
        raise BadTarget(
            "listApis",
            f"this key may not call {', '.join(missing)}",
            hint="A bed needs them all: use the key of an account whose role allows them.",
        )
    found = await client.list_all("listZones", "zone", available=True)
    zone = one("listZones", "zone", "--zone", found, wishes.zone, advanced_zones)
    zone_id = string(zone.get("id"), 64)
    found = await client.list_all("listTemplates", "template", templatefilter="featured", zoneid=zone_id)
    if wishes.template and not named(found, wishes.template):
        found = await client.list_all("listTemplates", "template", templatefilter="executable", zoneid=zone_id)
    template = one("listTemplates", "template", "--template", in_zone(found, zone_id), wishes.template, ready_templates)
    found = await client.list_all("listServiceOfferings", "serviceoffering", issystem=False)
    offering = one("listServiceOfferings", "service offering", "--offering", found, wishes.offering, smallest)
    found = await client.list_all("listNetworkOfferings", "networkoffering", state="Enabled", guestiptype="Isolated")

    def suitable(offered: list[Row]) -> list[Row]:
        return network_offerings(offered, redundant=wishes.redundant)

    network = one(
        "listNetworkOfferings", "network offering", "--network-offering", found, wishes.network_offering, suitable
    )
    return Chosen(zone, template, offering, network)


def one(
    command: str, what: str, option: str, found: list[Row], wished: str, suitable: Callable[[list[Row]], list[Row]]
) -> Row:
    """The row that was named, or the only one that suits. Raises Ambiguous, BadTarget."""
    fit = named(found, wished) if wished else suitable(found)
    if wished and not fit:
        known = ", ".join(one_line(row.get("name"), 80) for row in found[:20]) or "none"
        raise BadTarget(command, f"no {what} is called {one_line(wished, 80)}", hint=f"The server offers: {known}.")
    if not fit:
        raise BadTarget(command, f"no {what} suits a test bed", hint=f"Name one with {option}, or have one made.")
    if len(fit) > 1:
        raise Ambiguous(command, what, option, {string(row.get("id"), 64): string(row.get("name")) for row in fit})
    return fit[0]


def named(found: list[Row], wished: str) -> list[Row]:
    """Rows with this id, else with this name."""
    return [row for row in found if row.get("id") == wished] or [row for row in found if row.get("name") == wished]


def in_zone(found: list[Row], zone_id: str) -> list[Row]:
    """The zone's rows: listTemplates has one for each zone."""
    return [row for row in found if row.get("zoneid") in (None, zone_id)]


def advanced_zones(found: list[Row]) -> list[Row]:
    """Enabled zones with isolated networks."""
    return [
        row
        for row in found
        if row.get("networktype") == "Advanced"
        and row.get("allocationstate", "Enabled") == "Enabled"
        and not flag(row.get("securitygroupsenabled"))
        and row.get("type") != "Edge"
    ]


def ready_templates(found: list[Row]) -> list[Row]:
    """Those that a VM can be made of now."""
    return [row for row in found if flag(row.get("isready")) and row.get("templatetype") not in ("SYSTEM", "ROUTING")]


def smallest(found: list[Row]) -> list[Row]:
    """The offering with the least memory, then the fewest and slowest CPUs; none of a size to be chosen."""

    def size(row: Row) -> tuple[int, int, int]:
        return number(row.get("memory")), number(row.get("cpunumber")), number(row.get("cpuspeed"))

    fixed = [
        row
        for row in found
        if not flag(row.get("issystem")) and not flag(row.get("iscustomized")) and number(row.get("memory")) > 0
    ]
    return sorted(fixed, key=lambda row: (size(row), string(row.get("name"))))[:1]


def network_offerings(found: list[Row], *, redundant: bool) -> list[Row]:
    """Isolated offerings whose virtual router serves all that a bed has, with two routers or with one.

    CloudStack's own default offering wins among several with one router, any other among several with two.
    """
    fit = [row for row in found if _whole(row)]
    able = [row for row in fit if _redundant(row)]
    if redundant:
        return [row for row in able if row.get("name") != BUILT_IN_OFFERING] or able
    single = [row for row in fit if not _redundant(row)] or fit
    return [row for row in single if row.get("name") == BUILT_IN_OFFERING] or single


def _whole(row: Row) -> bool:
    router = {
        string(service.get("name"), 40)
        for service in rows(row, "service")
        if any(provider.get("name") == "VirtualRouter" for provider in rows(service, "provider"))
    }
    return (
        row.get("guestiptype") == "Isolated"
        and row.get("state", "Enabled") == "Enabled"
        and not flag(row.get("forvpc"))
        and not flag(row.get("specifyvlan"))
        and router >= NEEDED
    )


def _redundant(row: Row) -> bool:
    return any(
        capability.get("name") == "RedundantRouter" and flag(capability.get("value"))
        for service in rows(row, "service")
        if service.get("name") == "SourceNat"
        for capability in rows(service, "capability")
    )
