# SPDX-License-Identifier: Apache-2.0
"""The test cloud under another name: its addresses exist only inside it, and nobody may dial them from this host."""

from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from csworkbench.config import ConfigError
from csworkbench.config.clouds import Cloud
from csworkbench.model.cloud import Inventory
from csworkbench.model.scenario import Scenario

from .lab_cloud import running_lab
from .profile import LAB

HERE = ("127.0.0.1", "localhost", "::1")
# RFC 5737: for documentation, and what the test cloud's own outside world is made of. No cloud has them.
TEST_NETS = tuple(map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")))


async def refuse_test_cloud(cloud: Cloud, *, instead: str = f"with --cloud {LAB}") -> None:
    """Raises ConfigError when this is the test cloud that is up. `instead`: how its VMs are reached."""
    if urlsplit(cloud.endpoint).hostname not in HERE:
        return
    lab = await running_lab()
    if lab is not None and lab.endpoint.rstrip("/") == cloud.endpoint.rstrip("/"):
        raise ConfigError(f"cloud {cloud.name!r} is the test cloud: its VMs are reached only {instead}")


def dials_itself(scenario: Scenario) -> bool:
    """Whether a run of it sends packets to the cloud's addresses from this host."""
    tenants, outside = scenario.vantages.tenants, scenario.vantages.outside
    direct = tenants is not None and not (tenants.proxy_command or tenants.jump or tenants.management)
    return direct or (outside is not None and not outside.exec)


def refuse_test_nets(scenario: Scenario, inventory: Inventory) -> None:
    """Raises ConfigError when the network's public addresses are such as no cloud has, and we would dial them."""
    found = next(filter(in_test_net, inventory.public_ips), None)
    if found is not None and dials_itself(scenario):
        raise ConfigError(
            f"{found} is an address for documentation (RFC 5737), so cloud {scenario.cloud!r} is a test cloud: its VMs"
            f" are reached only with `cloud: {LAB}`, or with `proxy_command` and the outside vantage's `exec`"
        )


def in_test_net(address: str) -> bool:
    """Whether an address lies in one of them; False for what is no IPv4 address."""
    try:
        return any(ip_address(address) in net for net in TEST_NETS)
    except ValueError:
        return False
