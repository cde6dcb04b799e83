# SPDX-License-Identifier: Apache-2.0
"""Rows as cloudstack-api.md shows them, for one isolated network with two VMs behind one router."""

from typing import Any

from .support import FakeCloud, api, paged

NET = "0f3b9d4e-6c1a-4f7b-9a53-2d8e7c61b0aa"

NETWORK: dict[str, Any] = {
    "id": NET, "name": "probe-net", "displaytext": "probe-net", "traffictype": "Guest", "gateway": "10.1.1.1",
    "netmask": "255.255.255.0", "cidr": "10.1.1.0/24", "zonename": "z1", "state": "Implemented", "type": "Isolated",
    "account": "ops", "domain": "ROOT", "restartrequired": False, "redundantrouter": False,
    "created": "2025-01-31T09:00:00+0000",
}  # fmt: skip


def network(id: str, name: str, **others: Any) -> dict[str, Any]:
    return NETWORK | {"id": id, "name": name} | others


def router(number: int = 42, **others: Any) -> dict[str, Any]:
    guest_mac = f"02:00:4F:2A:00:{number:02X}"
    base = {
        "id": f"router-{number}", "name": f"r-{number}-VM", "state": "Running", "isredundantrouter": False,
        "redundantstate": "UNKNOWN", "version": "4.20.1", "scriptsversion": "9b2c0e", "role": "VIRTUAL_ROUTER",
        "requiresupgrade": False, "softwareversion": "4.20.1.0", "publicip": "203.0.113.20",
        "guestmacaddress": guest_mac, "guestipaddress": "10.1.1.1",
        "nic": [
            {"networkid": "other", "traffictype": "Guest", "macaddress": "02:00:00:00:00:99", "ipaddress": "10.9.9.1"},
            {"networkid": NET, "traffictype": "Guest", "macaddress": guest_mac, "ipaddress": "10.1.1.1"},
            {"ipaddress": "169.254.88.12", "traffictype": "Control"},
            {"ipaddress": "203.0.113.20", "traffictype": "Public", "macaddress": "1e:00:3c:00:00:14"},
        ],
    }  # fmt: skip
    return base | others


def vm(number: int, **others: Any) -> dict[str, Any]:
    base = {
        "id": f"vm-{number}", "name": f"vm{number}", "state": "Running",
        "nic": [
            {"networkid": NET, "ipaddress": f"10.1.1.{100 + number}", "macaddress": f"02:00:00:00:01:{number:02x}"},
        ],
    }  # fmt: skip
    return base | others


def forwarding(number: int) -> dict[str, Any]:
    return {
        "id": f"pf{number}", "privateport": "22", "publicport": "22", "protocol": "tcp",
        "virtualmachineid": f"vm-{number}", "ipaddress": f"203.0.113.{20 + number}", "networkid": NET,
        "state": "Active",
    }  # fmt: skip


def address(last: int, **others: Any) -> dict[str, Any]:
    return {"id": f"ip{last}", "ipaddress": f"203.0.113.{last}", "state": "Allocated", "issourcenat": False} | others


APIS = [
    api("restartNetwork", "id", "cleanup", "makeredundant", "livepatch", is_async=True),
    api("listNetworks", "id", "name", "keyword"), api("listRouters"), api("listVirtualMachines"),
    api("listPublicIpAddresses"), api("listPortForwardingRules"), api("listFirewallRules"),
    api("listEgressFirewallRules"), api("listEvents", "startid", "startdate"), api("listConfigurations", "name"),
    api("listAsyncJobs"), api("queryAsyncJobResult"),
]  # fmt: skip


def play(cloud: FakeCloud) -> None:
    """Let `cloud` be that network's cloud, version 4.22."""
    cloud.answers |= {
        "listApis": {"count": len(APIS), "api": APIS},
        "listCapabilities": {"capability": {"cloudstackversion": "4.22.0.0"}},
        "listNetworks": networks(cloud, [NETWORK]),
        "listRouters": paged("router", [router()]),
        "listVirtualMachines": paged("virtualmachine", [vm(10), vm(2), vm(3, nic=[])]),
        "listPublicIpAddresses": paged(
            "publicipaddress", [address(22), address(20, issourcenat=True), address(99, state="Releasing")]
        ),
        "listPortForwardingRules": paged("portforwardingrule", [forwarding(10), forwarding(2)]),
        "listFirewallRules": paged("firewallrule", [{"id": "a"}, {"id": "b"}, {"id": "c"}]),
        "listEgressFirewallRules": paged("firewallrule", [{"id": "d"}]),
        "listConfigurations": {"count": 1, "configuration": [{"name": "network.rolling.restart", "value": "true"}]},
        "listEvents": {},
    }


def networks(cloud: FakeCloud, found: list[dict[str, Any]], in_projects: list[dict[str, Any]] | None = None) -> Any:
    """listNetworks with its filters: id is exact, keyword and name match anywhere, projects only by projectid=-1."""

    def answer(params: dict[str, str]) -> dict[str, Any]:
        rows = (in_projects or []) if params.get("projectid") == "-1" else found
        rows = [r for r in rows if params.get("id", r["id"]).lower() == r["id"].lower()]
        word = params.get("keyword") or params.get("name") or ""
        return paged("network", [r for r in rows if word.lower() in r["name"].lower()])(params)

    return answer
