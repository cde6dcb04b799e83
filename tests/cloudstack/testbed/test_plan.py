# SPDX-License-Identifier: Apache-2.0
"""The calls of a bed: in an order that works, within the rules of any network offering."""

import re

from hypothesis import given
from hypothesis import strategies as st

from csworkbench.cloudstack.testbed import BedSpec, batches, forwards
from csworkbench.cloudstack.testbed.plan import Ref

HOST_NAME = re.compile(r"[a-z][a-z0-9-]{0,61}[a-z0-9]")


def spec(vms: int = 10, *, egress_rule: bool = True) -> BedSpec:
    return BedSpec("testbed", "0123abcd", vms, "zone", "template", "offering", "network-offering", egress_rule)


@given(st.integers(1, 100), st.booleans())
def test_every_step_needs_only_what_earlier_batches_make(vms: int, egress: bool) -> None:
    made: set[str] = set()
    for batch in batches(spec(vms, egress_rule=egress), "ssh-rsa AAAA"):
        for step in batch:
            wanted = {key for value in step.params.values() if isinstance(value, Ref) for key in value.keys}
            assert wanted <= made
        keys = [step.key for step in batch]
        assert len(keys) == len(set(keys))
        assert not made & set(keys)
        made |= set(keys)
    assert ("egress" in made) is egress


@given(st.integers(1, 100))
def test_no_address_has_two_uses_and_every_vm_has_its_ssh(vms: int) -> None:
    bed = spec(vms)
    found = forwards(bed)
    assert [vm for vm, _, _ in found] == list(range(1, vms + 1))
    assert len({(address, port) for _, address, port in found}) == vms
    assert all(1 < address < bed.addresses for _, address, _ in found)  # not the balancer's, not static NAT's
    assert bed.addresses >= vms


@given(st.integers(1, 100))
def test_every_port_that_leads_somewhere_is_open(vms: int) -> None:
    steps = [step for batch in batches(spec(vms), "k") for step in batch]
    opened = {
        (step.params["ipaddressid"], step.params["startport"])
        for step in steps
        if step.command == "createFirewallRule" and step.params["protocol"] == "tcp"
    }
    led = {
        (step.params["ipaddressid"], step.params["publicport"])
        for step in steps
        if step.command == "createPortForwardingRule"
    }
    assert led < opened
    pinged = {step.params["ipaddressid"] for step in steps if step.params.get("protocol") == "icmp"}
    assert len(pinged) == spec(vms).addresses


def test_names_carry_the_token_and_are_host_names() -> None:
    bed = spec(100)
    for name in (bed.network_name, bed.balancer_name, *(bed.vm_name(n) for n in range(1, 101))):
        assert bed.token in name
        assert HOST_NAME.fullmatch(name)


def test_the_key_goes_by_the_name_that_the_release_knows() -> None:
    (vm,) = batches(spec(), "k", "keypairs")[1]
    assert (vm.params["keypairs"], "keypair" in vm.params) == (spec().network_name, False)
