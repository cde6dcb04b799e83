# SPDX-License-Identifier: Apache-2.0
"""Scenario files: what is right loads, what is wrong names file, line and the nearest right key."""

import re
from pathlib import Path
from typing import Any

import pytest

from csworkbench.config import ConfigError
from csworkbench.config.scenario_file import check_scenario, load_scenario
from csworkbench.config.yaml12 import parse
from csworkbench.model.scenario import LabOptions, Operation, Outside, Phases, Refused, Restart, Scenario, Tenants

SAMPLES = Path(__file__).parents[2] / "samples" / "scenarios"
LEAST = "name: x\nnetwork: n\n"


def scenario(text: str) -> Scenario:
    return check_scenario(parse(text, "s.yaml"))


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as error:
        scenario(text)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_samples_load(path: Path) -> None:
    assert load_scenario(path).lab is not None


def test_there_are_samples() -> None:
    assert {p.stem for p in SAMPLES.glob("*.yaml")} >= {"parallel-restart", "destroy-first-restart", "watch"}


def test_defaults() -> None:
    assert scenario(LEAST) == Scenario("x", "n")
    assert scenario(LEAST).phases == Phases(2.0, 30.0, 60.0, 600.0)


def test_the_scenario_of_the_design_with_what_is_built() -> None:
    found = scenario(
        'name: parallel restart\ncloud: lab\nlab: {profile: "4.22", topology: isolated, scale: 0.1}\n'
        "network: probe-net\noperation: {restart: {cleanup: true}}\nvantages:\n"
        "  tenants: {vms: [vm01, vm02], user: ops, key: ~/.ssh/id, refused: fail}\n"
        "  outside: {at: local, exec: [lab, exec]}\negress_target: 203.0.113.10\nlanes: auto\n"
        "phases: {baseline: 1500ms, confirm: 60s, settle_limit: 10m}\nbudget: {egress: 10s, ingress: 1.5}\nrepeat: 5\n"
    )
    assert found.lab == LabOptions("4.22", "isolated", 10, 0.1)
    assert found.operation == Operation(Restart(cleanup=True))
    assert found.vantages.tenants == Tenants(("vm01", "vm02"), "ops", "~/.ssh/id", refused=Refused.FAIL)
    assert found.vantages.outside == Outside("local", ("lab", "exec"))
    assert found.phases == Phases(2.0, 1.5, 60.0, 600.0)
    assert (found.budget, found.repeat) == ({"egress": 10.0, "ingress": 1.5}, 5)


@pytest.mark.parametrize("text", ["operation: none", "operation: ~", "operation:", "", "operation: {}"])
def test_no_operation_means_only_measuring(text: str) -> None:
    assert scenario(LEAST + text).operation.is_none


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30.0), ("2.5", 2.5), ("1500ms", 1.5), ("30s", 30.0), ("10m", 600.0), ("1h", 3600.0),
     ('" 2 m "', 120.0)]
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert scenario(f"{LEAST}phases: {{baseline: {text}}}").phases.baseline == seconds


@pytest.mark.parametrize("text", ["12:30", "30 sec", "-5s", "5 S", "1e3s", "''", "ten", "1m30s", "'30'", "٣s"])
def test_what_is_no_duration(text: str) -> None:
    said = refused(f"{LEAST}phases:\n  baseline: {text}")
    assert said.startswith("s.yaml:4: baseline: ")
    assert "is no duration; write e.g. 500ms, 30s or 10m" in said


@pytest.mark.parametrize(
    ("section", "key", "low", "high"),
    [
        ("lab", "scale", "0.0005", "11"), ("lab", "vms", "0", "101"), ("intervals", "icmp", "1ms", "2m"),
        ("intervals", "banner", "500ms", "1h"), ("phases", "baseline", "999ms", "25h"),
        ("phases", "warmup", "-1", "2h"),
        ("phases", "settle_limit", "0", "1000h"),
    ],
)  # fmt: skip
def test_limits(section: str, key: str, low: str, high: str) -> None:
    for value in (low, high):
        said = refused(f"{LEAST}{section}:\n  {key}: {value}")
        assert said.startswith(f"s.yaml:4: {key}: ")
        assert "is not between" in said


def test_repeat_and_budget_have_limits_too() -> None:
    assert refused(f"{LEAST}repeat: 0").startswith("s.yaml:3: repeat: 0 is not between 1 and 1000")
    assert refused(f"{LEAST}budget:\n  egress: -1").startswith("s.yaml:4: egress: -1 is less than 0")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("networc: n\nname: x", "s.yaml:1: unknown key 'networc'; did you mean 'network'?"),
        (LEAST + "phases:\n  basline: 5s", "s.yaml:4: unknown key 'basline'; did you mean 'baseline'?"),
        (LEAST + "phases:\n  settle-limit: 5s", "s.yaml:4: unknown key 'settle-limit'; did you mean 'settle_limit'?"),
        (LEAST + "egress-target: 1.2.3.4", "s.yaml:3: unknown key 'egress-target'; did you mean 'egress_target'?"),
        (LEAST + "vantages:\n  tenants:\n    usr: x", "s.yaml:5: unknown key 'usr'; did you mean 'user'?"),
        (LEAST + "vantages: {tenant: {}}", "s.yaml:3: unknown key 'tenant'; did you mean 'tenants'?"),
        (LEAST + "lab:\n  scal: 1", "s.yaml:4: unknown key 'scal'; did you mean 'scale'?"),
        (LEAST + "operation: {restart: {clean-up: yes}}", "s.yaml:3: unknown key 'clean-up'; did you mean 'cleanup'?"),
        (LEAST + "operation:\n  live_path: {}", "s.yaml:4: unknown key 'live_path'; did you mean 'live_patch'?"),
        (LEAST + "str: 1", "s.yaml:3: unknown key 'str'"),
        (LEAST + "'[x]': 1", "s.yaml:3: unknown key '[x]'"),
        (LEAST + "<<: {a: 1}", "s.yaml:3: unknown key '<<'"),
        (LEAST + "budget:\n  egres: 5s", "s.yaml:4: unknown service 'egres'; did you mean 'egress'?"),
        (LEAST + "name: y", "s.yaml:3: key 'name' is repeated (first on line 1)"),
        ("network: n", "s.yaml:1: key 'name' is missing"),
        ("name: x", "s.yaml:1: no target: name a network, vpc, router or systemvm"),
        (LEAST + "operation:\n  restart: {}", "s.yaml:4: key 'cleanup' is missing"),
        (LEAST + "lanes: [icmp]", "s.yaml:3: lanes: "),
        (LEAST + "lanes: some", "s.yaml:3: lanes: `auto` or a list of services"),
        (LEAST + "lanes: []", "s.yaml:3: lanes: `auto` or a list of services"),
        (LEAST + "lanes: [egres]", "s.yaml:3: lanes: unknown service 'egres'; did you mean 'egress'?"),
        (LEAST + "lanes: [control]", "s.yaml:3: lanes: unknown service 'control'"),
        (LEAST + "lanes: [egress]\nbudget: {dns: 1s}", "s.yaml:4: dns: has a budget, but `lanes` leaves it out"),
        (LEAST + "intervals: {dhcp: 5s}", "s.yaml:3: dhcp: 5 is not between 10 and 3600"),
        (LEAST + "vantages:\n  outside: {address: here}", "s.yaml:4: address: 'here' is no IPv4 address"),
        (LEAST + "egress_target6: 192.0.2.1", "s.yaml:3: egress_target6: '192.0.2.1' is no IPv6 address"),
        (LEAST + "dns_name: a b", "s.yaml:3: dns_name: 'a b' is no host name"),
        ("name: x\nnetwork: ' '", "s.yaml:2: network: a name or id is needed"),
        (LEAST + "lab:\n  profile: 4.22", "s.yaml:4: profile: input should be a valid string, not '4.22'"),
        (LEAST + "vantages:\n  tenants:\n    refused: maybe", "s.yaml:5: refused: "),
        (LEAST + "vantages:\n  tenants:\n    vms: [1]", "s.yaml:5: "),
        (LEAST + "vantages:\n  tenants:\n    vms: 7", "s.yaml:5: vms: "),
        (LEAST + "phases: 5", "s.yaml:3: phases: "),
        (LEAST + "phases:\n  baseline: [5]", "s.yaml:4: baseline: "),
        (LEAST + "operation: restart", "s.yaml:3: key 'cleanup' is missing"),
        (LEAST + "operation: explode", "s.yaml:3: operation: "),
        (LEAST + "vpc: v", "s.yaml:3: vpc: this scenario has a network already; one target at a time"),
        ("name: x\nvpc: ''", "s.yaml:2: vpc: a name or id is needed"),
        (LEAST + "operation: destroy_systemvm", "s.yaml:3: destroy_systemvm: cannot be done to a network; name"),
        (
            LEAST + "operation:\n  live_patch:\n  restart: {cleanup: true}",
            "s.yaml:4: live_patch: one operation at a time, and restart is given",
        ),
        (
            LEAST + "operation:\n  restart: {cleanup: true, livepatch: true}",
            "s.yaml:4: livepatch: a restart with cleanup or makeredundant ignores it",
        ),
        (LEAST + "operation:\n  change_offering: {offering: ' '}", "s.yaml:4: offering: the name or id"),
        (LEAST + "repeat: many", "s.yaml:3: repeat: "),
    ],
)  # fmt: skip
def test_what_is_wrong_names_line_and_nearest_key(text: str, says: str) -> None:
    assert refused(text).startswith(says)


@pytest.mark.parametrize("text", ["", "- a", "just words", "7", "null", "[]"])
def test_what_is_no_mapping(text: str) -> None:
    assert refused(text) == "s.yaml:1: a scenario is a list of `key: value` lines"


@pytest.mark.parametrize(
    "value", ["\x1b[2J", "a\nb", "x" * 5000, {"deep": ["er"]}], ids=["escape", "newline", "long", "nested"]
)
def test_hostile_values_stay_out_of_the_message_or_are_quoted(value: Any) -> None:
    from csworkbench.config.yaml12 import Document

    with pytest.raises(ConfigError) as error:
        check_scenario(Document("s.yaml", {"name": "x", "network": "n", "repeat": value}, {("repeat",): 3}))
    assert str(error.value).startswith("s.yaml:3: repeat: ")
    assert len(str(error.value)) < 250
    assert str(error.value).isprintable()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read \(No such file or directory\)"):
        load_scenario(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("tenants", "error"),
    [
        ("{jump: 'ops@'}", "jump: 'ops@' is no jump host; write user@host or user@host:port"),
        ("{jump: [a, b], proxy_command: nc %h %p}", "jump: `proxy_command` is there too"),
        ("{management: {}}", "management: either `addresses` or `network` is needed"),
        ("{management: {addresses: {vm01: host}}}", "addresses: vm01: 'host' is no IP address"),
        ("{management: {network: mgmt, port: 0}}", "port: 0 is not between 1 and 65535"),
    ],
)
def test_ways_to_the_tenants_are_checked(tmp_path: Path, tenants: str, error: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"name: x\nnetwork: n\nvantages:\n  tenants: {tenants}\n")
    with pytest.raises(ConfigError, match=rf"s\.yaml:4: {re.escape(error)}"):
        load_scenario(path)


def test_a_jump_host_and_a_management_network(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("name: x\nnetwork: n\nvantages:\n  tenants: {jump: [ops@a, b:2222], management: {network: m}}\n")
    tenants = load_scenario(path).vantages.tenants
    assert tenants is not None and tenants.management is not None
    assert (tenants.jump, tenants.management.network) == (("ops@a", "b:2222"), "m")


def test_the_quiet_vm_is_another_than_the_sentinel() -> None:
    text = LEAST + "vantages:\n  tenants:\n    sentinel: vm01\n    quiet: vm01\n"
    assert refused(text) == "s.yaml:6: quiet: vm01 is the sentinel, and asking heals what it would show"
    assert scenario(text.replace("quiet: vm01", "quiet: vm10")).vantages.tenants == Tenants(
        sentinel="vm01", quiet="vm10"
    )


def test_how_long_nobody_talks_to_the_quiet_vm() -> None:
    """Longer than a kernel holds on to a dead MAC; the test cloud announces its routers."""
    assert scenario(LEAST + "cloud: prod\n").quiet_s == 60.0
    assert scenario(LEAST + "phases: {confirm: 5s}\n").quiet_s == 5.0
    assert scenario(LEAST + "phases: {confirm: 5s, quiet: 90s}\n").quiet_s == 90.0
    assert scenario(LEAST + "cloud: prod\nphases: {quiet: 0s}\n").quiet_s == 0.0
