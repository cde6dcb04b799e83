# SPDX-License-Identifier: Apache-2.0
"""What a witness looks at by default: the network's rows say."""

from __future__ import annotations

import random

import pytest

from csworkbench.lab import plan
from csworkbench.lab.witness_paths import paths_of, sessions_of


def test_of_many_forwarded_ports_three_are_watched_unless_all_are_wanted() -> None:
    network = plan.isolated_network(6, random.Random(1))
    few, every = (paths_of(network, everything=everything) for everything in (False, True))
    assert [path.target for path in few if path.name == "ingress"] == [f"198.51.100.{last}:22" for last in (11, 12, 16)]
    assert len([path for path in every if path.name == "ingress"]) == 6
    assert [path for path in every if path.name != "ingress"] == [path for path in few if path.name != "ingress"]


def test_every_service_is_seen_from_the_tenant_that_was_chosen() -> None:
    network = plan.isolated_network(3, random.Random(1))
    paths = {path.name: path for path in paths_of(network, "vm02")}
    assert {name for name, path in paths.items() if path.vantage == "outside"} == {"ingress", "static_nat", "balancer"}
    assert {path.vantage for path in paths.values()} == {"outside", "vm02"}
    assert paths["metadata"].expect == ("10.1.1.102",)
    assert (paths["dns"].ask, paths["dns"].expect) == ("vm01.cs2cloud.internal", ("10.1.1.101",))
    assert paths["balancer"].expect == ("vm01", "vm02", "vm03")
    sessions = {session.name: session for session in sessions_of(network, "vm02")}
    assert {name: session.target for name, session in sessions.items()} == {
        "T": "198.51.100.12:22",
        "P": "198.51.100.12:22",
        "S": "198.51.100.31:22",
        "O": "203.0.113.10:7",
    }


def test_what_the_network_has_not_is_not_watched() -> None:
    network = plan.isolated_network(1, random.Random(1))
    network.forwarding.clear()
    network.balancers.clear()
    network.ips = [ip for ip in network.ips if ip.static_nat is None]
    assert {path.vantage for path in paths_of(network)} == {"vm01"}
    assert "control" not in {path.name for path in paths_of(network)}
    assert [session.name for session in sessions_of(network)] == ["O"]
    with pytest.raises(ValueError, match="no tenant 'vm02'; there are vm01"):
        paths_of(network, "vm02")
