# SPDX-License-Identifier: Apache-2.0
"""What a test bed is made of, call by call (cloudstack-api.md 3.9). Pure.

Every address has one use: the first a load balancer, the last static NAT, those between SSH. So it also fits network
offerings without conserve mode, where forwarding and balancing may not share an address.
"""

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from csworkbench.cloudstack.client import Value

SSH_PORT, WEB_PORT, GUEST_WEB_PORT = 22, 80, 8000
SECOND_PORTS = 2200  # the k-th VM's SSH on an address whose port 22 is another VM's
BALANCED_VMS = 3
LEAST_ADDRESSES = 3
EVERYWHERE = "0.0.0.0/0"
USER_DATA = f"#cloud-config\nruncmd:\n- [sh, -c, 'cd $(mktemp -d); nohup python3 -m http.server {GUEST_WEB_PORT} &']\n"
"""Something for the load balancer to balance, where the template has cloud-init and Python."""


@dataclass(frozen=True, slots=True)
class BedSpec:
    """A bed as it was decided. `token` is in the name of whatever has a name, and nowhere else in the cloud."""

    name: str
    token: str
    vms: int
    zone: str
    template: str
    offering: str
    network_offering: str
    egress_rule: bool  # False where the offering lets everything out: a rule would block there

    @property
    def network_name(self) -> str:
        """Of the network, and of the key pair."""
        return f"{self.name}-{self.token}"

    def vm_name(self, number: int) -> str:
        """Host name of a VM, counted from 1."""
        return f"vm{number:02}-{self.token}"

    @property
    def balancer_name(self) -> str:
        """Of the load balancer rule."""
        return f"web-{self.token}"

    @property
    def addresses(self) -> int:
        """One for each VM, and at least one for each use."""
        return max(self.vms, LEAST_ADDRESSES)

    def as_dict(self) -> dict[str, Any]:
        """For the journal."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Ref:
    """The ids of what other steps made, with commas between."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One call that makes something. `key` is its place in the bed, e.g. `vm:03`; `name` what the object is called."""

    key: str
    command: str
    params: Mapping[str, Value | Ref]
    label: str
    name: str = ""


def forwards(spec: BedSpec) -> list[tuple[int, int, int]]:
    """(VM, address, public port) of each VM's SSH, VMs and addresses counted from 1."""
    between = spec.addresses - 2
    return [
        (vm, 2 + (vm - 1) % between, SSH_PORT if vm <= between else SECOND_PORTS + vm) for vm in range(1, spec.vms + 1)
    ]


def batches(spec: BedSpec, public_key: str, key_param: str = "keypair") -> list[list[Step]]:
    """The steps in order; those of one batch do not need each other. `key_param`: `keypairs` from 4.17 on."""
    vms = range(1, spec.vms + 1)
    addresses = range(1, spec.addresses + 1)
    made = [
        [
            Step(
                "key",
                "registerSSHKeyPair",
                {"name": spec.network_name, "publickey": public_key},
                "SSH key pair",
                spec.network_name,
            ),
            _network(spec),
        ],
        [_vm(spec, 1, key_param)],  # alone: it brings the router
        [_vm(spec, number, key_param) for number in vms[1:]],
        [
            Step(f"ip:{n:02}", "associateIpAddress", {"networkid": Ref(("network",))}, f"address {n:02}")
            for n in addresses
        ],
        [*_firewall(spec), *_egress(spec)],
        _forwardings(spec),
        [_static_nat(spec), _balancer(spec)],
        [_members(spec)],
    ]
    return [batch for batch in made if batch]


def _network(spec: BedSpec) -> Step:
    params: dict[str, Value | Ref] = {
        "name": spec.network_name,
        "displaytext": f"csworkbench test bed {spec.name}",  # required before 4.18
        "networkofferingid": spec.network_offering,
        "zoneid": spec.zone,
    }
    return Step("network", "createNetwork", params, "network", spec.network_name)


def _vm(spec: BedSpec, number: int, key_param: str) -> Step:
    name = spec.vm_name(number)
    params: dict[str, Value | Ref] = {
        "name": name,
        "displayname": name,
        "serviceofferingid": spec.offering,
        "templateid": spec.template,
        "zoneid": spec.zone,
        "networkids": Ref(("network",)),
        key_param: spec.network_name,
        "userdata": base64.b64encode(USER_DATA.encode()).decode(),
    }
    return Step(f"vm:{number:02}", "deployVirtualMachine", params, f"VM {name}", name)


def _firewall(spec: BedSpec) -> list[Step]:
    """Each address lets in what it serves, and ping."""
    ports = {1: [WEB_PORT], spec.addresses: [SSH_PORT]}
    for _, address, port in forwards(spec):
        ports.setdefault(address, []).append(port)
    found = []
    for address in range(1, spec.addresses + 1):
        ip: dict[str, Value | Ref] = {"ipaddressid": Ref((f"ip:{address:02}",)), "cidrlist": EVERYWHERE}
        for port in ports.get(address, []):
            params = {**ip, "protocol": "tcp", "startport": port, "endport": port}
            label = f"firewall rule tcp {port} on address {address:02}"
            found.append(Step(f"fw:{address:02}:{port}", "createFirewallRule", params, label))
        params = {**ip, "protocol": "icmp", "icmptype": -1, "icmpcode": -1}
        label = f"firewall rule icmp on address {address:02}"
        found.append(Step(f"fw:{address:02}:icmp", "createFirewallRule", params, label))
    return found


def _egress(spec: BedSpec) -> list[Step]:
    if not spec.egress_rule:
        return []
    params: dict[str, Value | Ref] = {"networkid": Ref(("network",)), "protocol": "all"}
    return [Step("egress", "createEgressFirewallRule", params, "egress rule: everything out")]


def _forwardings(spec: BedSpec) -> list[Step]:
    found = []
    for vm, address, port in forwards(spec):
        params: dict[str, Value | Ref] = {
            "ipaddressid": Ref((f"ip:{address:02}",)),
            "virtualmachineid": Ref((f"vm:{vm:02}",)),
            "protocol": "tcp",
            "publicport": port,
            "privateport": SSH_PORT,
            "openfirewall": False,
        }
        label = f"SSH of {spec.vm_name(vm)} on address {address:02} port {port}"
        found.append(Step(f"pf:{vm:02}", "createPortForwardingRule", params, label))
    return found


def _static_nat(spec: BedSpec) -> Step:
    params = {"ipaddressid": Ref((f"ip:{spec.addresses:02}",)), "virtualmachineid": Ref((f"vm:{spec.vms:02}",))}
    return Step("nat", "enableStaticNat", params, f"static NAT of address {spec.addresses:02}")


def _balancer(spec: BedSpec) -> Step:
    params: dict[str, Value | Ref] = {
        "name": spec.balancer_name,
        "algorithm": "roundrobin",
        "publicport": WEB_PORT,
        "privateport": GUEST_WEB_PORT,
        "publicipid": Ref(("ip:01",)),
        "openfirewall": False,
    }
    return Step(
        "lb", "createLoadBalancerRule", params, f"load balancer on address 01 port {WEB_PORT}", f"web-{spec.token}"
    )


def _members(spec: BedSpec) -> Step:
    count = min(BALANCED_VMS, spec.vms)
    members = Ref(tuple(f"vm:{number:02}" for number in range(1, count + 1)))
    params = {"id": Ref(("lb",)), "virtualmachineids": members}
    return Step("members", "assignToLoadBalancerRule", params, f"{count} VMs behind the load balancer")
