# SPDX-License-Identifier: Apache-2.0
"""What is there of a bed, by the ids in its journal and by the names that carry its token."""

from dataclasses import dataclass, field

from csworkbench.cloudstack.client import Client, Value
from csworkbench.cloudstack.envelope import Row, flag, string
from csworkbench.cloudstack.errors import BadParameter
from csworkbench.cloudstack.text import one_line

from .ledger import Bed, Made, Progress

_DONE = ("Running", "Active", "Allocated", "Implemented", "Setup")
_RULES = {"fw": "firewall", "pf": "forwardings", "egress": "egress"}


@dataclass(slots=True)
class Seen:
    """Rows of the bed's network, all of them, also others' own; and whether the key pair is there."""

    network: Row | None = None
    key: bool = False
    vms: list[Row] = field(default_factory=list)
    addresses: list[Row] = field(default_factory=list)
    firewall: list[Row] = field(default_factory=list)
    egress: list[Row] = field(default_factory=list)
    forwardings: list[Row] = field(default_factory=list)
    balancers: list[Row] = field(default_factory=list)
    members: list[Row] | None = None  # None: this key may not ask


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of a bed. `state` is the server's, or `missing`, `not made`, or `unknown` when no reply told its id."""

    key: str
    name: str
    id: str
    state: str
    good: bool
    text: str = ""


async def look(client: Client, bed: Bed) -> Seen:
    """Ask for everything on the bed's network. Raises CloudStackError."""
    seen = Seen(network=await _network(client, bed))
    found = await client.list_all("listSSHKeyPairs", "sshkeypair", name=bed.spec.network_name)
    seen.key = any(row.get("name") == bed.spec.network_name for row in found)
    if seen.network is None:
        return seen
    network_id = string(seen.network.get("id"), 64)

    async def listed(command: str, object_key: str, **params: Value) -> list[Row]:
        return await client.list_all(command, object_key, **params)

    seen.vms = await listed("listVirtualMachines", "virtualmachine", networkid=network_id)
    seen.addresses = await listed("listPublicIpAddresses", "publicipaddress", associatednetworkid=network_id)
    seen.firewall = await listed("listFirewallRules", "firewallrule", networkid=network_id)
    seen.egress = await listed("listEgressFirewallRules", "firewallrule", networkid=network_id)
    seen.forwardings = await listed("listPortForwardingRules", "portforwardingrule", networkid=network_id)
    seen.balancers = await listed("listLoadBalancerRules", "loadbalancerrule", networkid=network_id)
    ours = next((row for row in seen.balancers if row.get("name") == bed.spec.balancer_name), None)
    if (await client.capabilities()).has("listLoadBalancerRuleInstances"):
        command, key = "listLoadBalancerRuleInstances", "loadbalancerruleinstance"
        seen.members = await listed(command, key, id=string(ours.get("id"), 64)) if ours else []
    return seen


async def _network(client: Client, bed: Bed) -> Row | None:
    """By id; by name where no reply told the id."""
    made = bed.steps.get("network")
    if made is None:
        return None
    params: dict[str, Value] = {"id": made.id} if made.id else {"keyword": bed.spec.network_name}
    try:
        found = await client.list_all("listNetworks", "network", **params)
    except BadParameter:
        if not made.id:
            raise
        return None  # an id that no longer exists
    names = [row for row in found if row.get("id") == made.id or row.get("name") == bed.spec.network_name]
    return names[0] if names else None


def own_vms(bed: Bed, seen: Seen) -> list[Row]:
    """VMs that the bed made, also those whose reply was lost."""
    ids = bed.ids("vm")
    names = {made.name for key, made in bed.steps.items() if key.startswith("vm:") and not made.id}
    return [row for row in seen.vms if row.get("id") in ids or row.get("name") in names]


def own_addresses(bed: Bed, seen: Seen) -> list[Row]:
    """Addresses that the bed acquired. Those whose reply was lost have no mark of their own: as many of the network's
    other addresses are taken for ours, and none when there are more than that.
    """
    ids = bed.ids("ip")
    held = [row for row in seen.addresses if not flag(row.get("issourcenat")) and row.get("state") != "Free"]
    known = [row for row in held if row.get("id") in ids]
    others = [row for row in held if row.get("id") not in ids]
    return known + others if len(others) <= bed.pending("ip") else known


def strangers(bed: Bed, seen: Seen) -> list[str]:
    """What others have put on the bed's network, in words."""
    vms, addresses = own_vms(bed, seen), own_addresses(bed, seen)
    found = [f"VM {one_line(row.get('name'), 80)}" for row in seen.vms if row not in vms and _stays(row)]
    return found + [
        f"address {one_line(row.get('ipaddress'), 64)}"
        for row in seen.addresses
        if row not in addresses and not flag(row.get("issourcenat"))
    ]


def _stays(row: Row) -> bool:
    return row.get("state") not in ("Destroyed", "Expunging")


def items(bed: Bed, seen: Seen) -> list[Item]:
    """Everything that the journal tells of, in its order, and its state now."""
    return [_item(bed, made, seen) for made in bed.steps.values()]


def complete(bed: Bed, seen: Seen, planned: int) -> list[Item]:
    """What keeps the bed from being measured; `planned` steps should be in the journal."""
    found = [item for item in items(bed, seen) if not item.good]
    if len(bed.steps) < planned:
        found.append(Item("", "steps never begun", "", f"{planned - len(bed.steps)} of {planned}", False))
    return found


def _item(bed: Bed, made: Made, seen: Seen) -> Item:
    name = made.name or made.key
    if made.progress is Progress.REFUSED:
        return Item(made.key, name, "", "not made", False, made.text)
    row = _row(bed, made, seen)
    if row is None:
        lost = made.progress is Progress.BEGUN and not made.name
        state = "unknown" if lost else "gone" if made.progress is Progress.GONE else "missing"
        return Item(made.key, name, made.id, state, False, made.text)
    state = string(row.get("state"), 32) or "exists"
    good = state in (*_DONE, "exists")
    shown = string(row.get("ipaddress"), 64) if made.key.startswith("ip:") else name
    return Item(made.key, shown, string(row.get("id"), 64), state, good, made.text)


def _row(bed: Bed, made: Made, seen: Seen) -> Row | None:
    match made.key.split(":")[0]:
        case "key":
            found: Row | None = {"id": made.id} if seen.key else None
        case "network":
            found = seen.network
        case "nat":
            last = bed.steps.get(f"ip:{bed.spec.addresses:02}")
            row = _by_id(seen.addresses, last.id if last else "")
            found = {"id": row.get("id")} if row is not None and flag(row.get("isstaticnat")) else None
        case "members":
            found = {} if seen.members is None or seen.members else None
        case "vm":
            found = _by_id(seen.vms, made.id) or _by_name(own_vms(bed, seen), made.name)
        case "ip":
            found = _by_id(seen.addresses, made.id)
        case "lb":
            found = _by_name(seen.balancers, made.name)
        case rule:
            found = _by_id(getattr(seen, _RULES[rule]), made.id)
    return found


def _by_name(found: list[Row], wanted: str) -> Row | None:
    return next((row for row in found if row.get("name") == wanted), None)


def _by_id(found: list[Row], wanted: str) -> Row | None:
    return next((row for row in found if wanted and row.get("id") == wanted), None)
