# SPDX-License-Identifier: Apache-2.0
"""`preflight` as text and as JSON: aligned in 80 columns, and no command for the terminal in it."""

import json

from csworkbench.results.readiness import COLOURS, readiness_json, readiness_text
from csworkbench.upgrade import Facts, Level, Need, assess, preflight
from tests.tui.synthetic import HOSTILE
from tests.upgrade.fleets import OLD_SUM, Rule, fleet, replace, router

OLD = router(7, version="4.19.1", software_version="4.19.1.0", scripts_version=OLD_SUM)


def text_of(*vms: object, **how: bool) -> str:
    facts = Facts(fleet(*vms))  # type: ignore[arg-type]
    return readiness_text(facts.fleet, assess(facts.fleet), preflight(facts), **how)  # type: ignore[arg-type]


def test_current_ones_are_counted_and_the_rest_is_listed() -> None:
    lines = text_of(OLD).splitlines()
    assert lines[0] == "CloudStack 4.22.0.0: 3 system VMs: 1 needs a new template, 2 current"
    assert lines[3].split(" ", 1)[0] == "r-7-VM"
    assert "r-101-VM" not in text_of(OLD)
    assert "r-101-VM" in text_of(OLD, everything=True)
    assert max(map(len, lines)) <= 80
    columns = {ln.index("need") for ln in text_of(OLD, everything=True).splitlines() if ln.startswith("r-7-")}
    assert columns == {lines[2].index("NEED")}


def test_what_strangers_wrote_stays_text() -> None:
    vms = [replace(OLD, id=f"{n}", name=name, network=name, version=name) for n, name in enumerate(HOSTILE)]
    bad = Rule("firewall", "x", "Add\x1b]0;owned\x07", "", "\x1b[2J\u202e")
    facts = Facts(fleet(*vms, rules=(bad,)))
    needs, findings = assess(facts.fleet), preflight(facts)
    for line in readiness_text(facts.fleet, needs, findings, everything=True).splitlines():
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u202e\u2066\u2028" for c in line), line
    found = json.loads(json.dumps(readiness_json("c", facts.fleet, needs, findings)))
    assert [vm["name"] for vm in found["system_vms"]][-1] == HOSTILE[-1]


def test_keys_of_the_json_stay() -> None:
    facts = Facts(fleet(OLD))
    found = readiness_json("lab", facts.fleet, assess(facts.fleet), preflight(facts))
    assert list(found) == [
        "cloud", "server_version", "needs", "system_vms", "checks", "stops", "not_seen", "partial",
    ]  # fmt: skip
    assert list(found["system_vms"][0]) == [
        "id", "name", "kind", "serves", "zone", "account", "state", "redundant_state", "version", "software_version",
        "scripts_version", "agent_version", "requires_upgrade", "need", "reasons", "doubts", "operation", "call",
        "consequence", "live_patch",
    ]  # fmt: skip
    assert set(found["checks"][0]) == {"id", "title", "level", "evidence", "remedy"}
    assert {*Need, *Level} == set(COLOURS)
