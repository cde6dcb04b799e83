# SPDX-License-Identifier: Apache-2.0
"""Display names that clients must escape arrive at the client as they are; what has to be valid stays so."""

from __future__ import annotations

import re
import unicodedata

from csworkbench.lab import hostile
from tests.lab.served import served


async def test_display_names_pass_the_api_unchanged_and_names_stay_valid() -> None:
    async with served("4.22") as api:
        hostile.rename(api.server.networks)
        _, networks = await api.call("listNetworks", listall="true")
        _, vms = await api.call("listVirtualMachines", listall="true")
        _, rules = await api.call("listPortForwardingRules", listall="true")
        shown = [networks["network"][0]["displaytext"], *(vm["displayname"] for vm in vms["virtualmachine"])]
        assert shown == list(hostile.TEXTS[: len(shown)])
        by_rule = {
            rule["virtualmachinename"]: rule["virtualmachinedisplayname"] for rule in rules["portforwardingrule"]
        }
        assert by_rule == {vm["name"]: vm["displayname"] for vm in vms["virtualmachine"]}
        assert all(re.fullmatch(r"vm\d\d", vm["name"]) for vm in vms["virtualmachine"])


def test_ten_vms_meet_every_kind_of_text() -> None:
    everything = "".join(hostile.TEXTS)
    kinds = {unicodedata.category(sign) for sign in everything}
    assert {"Cc", "Cf", "Mn", "So"} <= kinds
    assert {unicodedata.bidirectional(sign) for sign in everything} >= {"RLO", "LRI", "R"}
    assert any(text.startswith("=") for text in hostile.TEXTS)
    assert len(hostile.TEXTS) <= 11
    assert max(map(len, hostile.TEXTS)) == 255  # what the database's column holds
