# SPDX-License-Identifier: Apache-2.0
"""What is chosen from what a server offers."""

from typing import Any

import pytest

from csworkbench.cloudstack.errors import BadTarget
from csworkbench.cloudstack.testbed.choose import (
    BUILT_IN_OFFERING,
    NEEDED,
    Ambiguous,
    advanced_zones,
    network_offerings,
    one,
    ready_templates,
    smallest,
)

Row = dict[str, Any]


def offered(
    name: str, *, redundant: bool = False, without: str = "", router: str = "VirtualRouter", **more: Any
) -> Row:
    services: list[Row] = [{"name": s, "provider": [{"name": router}]} for s in sorted(NEEDED - {without})]
    for service in services:
        if service["name"] == "SourceNat":
            service["capability"] = [{"name": "RedundantRouter", "value": str(redundant).lower()}]
    base = {"id": name, "name": name, "guestiptype": "Isolated", "state": "Enabled", "forvpc": False}
    return {**base, "service": services, **more}


def names(found: list[Row]) -> list[str]:
    return [row["name"] for row in found]


def test_network_offerings_by_what_they_can() -> None:
    found = [
        offered(BUILT_IN_OFFERING), offered("other"), offered("pair", redundant=True), offered("no-lb", without="Lb"),
        offered("vpc", forvpc=True), offered("sdn", router="Nuage"), offered("vlan", specifyvlan=True),
        offered("off", state="Disabled"), offered("shared", guestiptype="Shared"),
    ]  # fmt: skip
    assert names(network_offerings(found, redundant=False)) == [BUILT_IN_OFFERING]
    assert names(network_offerings(found[1:], redundant=False)) == ["other"]
    assert names(network_offerings(found, redundant=True)) == ["pair"]
    assert names(network_offerings([offered("a"), offered("b")], redundant=False)) == ["a", "b"]
    assert network_offerings(found[3:], redundant=False) == []


def test_the_smallest_offering_of_a_fixed_size() -> None:
    found = [
        {"name": "big", "memory": 4096, "cpunumber": 2, "cpuspeed": 1000},
        {"name": "small", "memory": 512, "cpunumber": 1, "cpuspeed": 500},
        {"name": "custom", "iscustomized": True},
        {"name": "system", "memory": 128, "cpunumber": 1, "cpuspeed": 500, "issystem": True},
    ]
    assert names(smallest(found)) == ["small"]
    assert smallest([]) == []


def test_zones_and_templates() -> None:
    zones: list[Row] = [
        {"name": "z", "networktype": "Advanced", "allocationstate": "Enabled"},
        {"name": "basic", "networktype": "Basic"},
        {"name": "off", "networktype": "Advanced", "allocationstate": "Disabled"},
        {"name": "edge", "networktype": "Advanced", "type": "Edge"},
        {"name": "groups", "networktype": "Advanced", "securitygroupsenabled": True},
    ]
    assert names(advanced_zones(zones)) == ["z"]
    templates = [
        {"name": "t", "isready": True, "templatetype": "USER"},
        {"name": "s", "isready": True, "templatetype": "SYSTEM"},
        {"name": "d", "isready": False},
    ]
    assert names(ready_templates(templates)) == ["t"]


def test_a_choice_is_made_only_where_there_is_none() -> None:
    found = [{"id": "1", "name": "a\x1b[31m"}, {"id": "2", "name": "b"}]

    def ask(wished: str, rows: list[Row]) -> Row:
        return one("listTemplates", "template", "--template", rows, wished, lambda given: given)

    assert ask("b", found) == ask("2", found) == found[1]
    with pytest.raises(Ambiguous, match=r"2 templates would do: .*, b\. Name one with --template") as caught:
        ask("", found)
    assert caught.value.found == {"1": "a\x1b[31m", "2": "b"}
    assert "\x1b" not in str(caught.value)
    with pytest.raises(BadTarget, match=r"no template is called c\. The server offers: "):
        ask("c", found)
    with pytest.raises(BadTarget, match="no template suits a test bed"):
        ask("", [])
