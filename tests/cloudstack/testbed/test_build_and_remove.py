# SPDX-License-Identifier: Apache-2.0
"""What a server refuses while a bed is made or removed: told with what to do next, and kept in the journal."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from csworkbench.cloudstack.testbed import Bed, BedFailed, Builder, Ledger, Progress, Remover, batches, read_ledger
from tests.cloudstack.support import Bench, Raw, api, paged, refusal

from .test_plan import spec

NETWORK = {"id": "n1", "name": spec().network_name, "state": "Implemented"}
NOTHING = {
    "listNetworks": "network", "listSSHKeyPairs": "sshkeypair", "listVirtualMachines": "virtualmachine",
    "listPublicIpAddresses": "publicipaddress", "listFirewallRules": "firewallrule",
    "listEgressFirewallRules": "firewallrule", "listPortForwardingRules": "portforwardingrule",
    "listLoadBalancerRules": "loadbalancerrule",
}  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.begin(tmp_path / "journal", Bed(spec(2), "real", "https://cloud/client/api")) as made:
        yield made


def job(command: str, code: int = 0, text: str = "") -> dict[str, Any]:
    """The end of a job."""
    result = {"errorcode": code, "errortext": text} if code else {"success": True}
    return {"jobid": command, "jobstatus": 2 if code else 1, "jobresultcode": code, "jobresult": result}


def server(bench: Bench, **lists: list[dict[str, Any]]) -> None:
    """A cloud where everything works and the lists are these."""
    answers: dict[str, Any] = {
        "listApis": {"count": 1, "api": [api("destroyVirtualMachine", "id", "expunge", is_async=True)]},
        "listCapabilities": {"capability": {"cloudstackversion": "4.18.0.0"}},
        "registerSSHKeyPair": {"keypair": {"name": spec().network_name}},
        "createNetwork": {"network": {**NETWORK, "state": "Allocated"}},
        "deployVirtualMachine": lambda p: {"id": p["name"], "jobid": p["name"]},
        "queryAsyncJobResult": lambda p: job(p["jobid"]),
    }
    answers |= {command: paged(key, lists.get(command, [])) for command, key in NOTHING.items()}
    bench.cloud.answers.update(answers)


async def build(bench: Bench, ledger: Ledger) -> list[str]:
    told: list[str] = []
    await Builder(bench.client, ledger, bench.journal, told.append).run(batches(spec(2), "ssh-rsa AAAA"))
    return told


async def test_a_limit_is_told_with_what_to_do(bench: Bench, ledger: Ledger) -> None:
    server(bench)
    text = "Maximum number of public IP addresses for account: ops has been exceeded."
    bench.cloud.answers["associateIpAddress"] = [{"id": "a1", "jobid": "a1"}, refusal(532, text)]
    with pytest.raises(BedFailed, match=r"address 02: .*\(532\): Maximum .* exceeded\. A limit .* fewer --vms"):
        await build(bench, ledger)
    steps = read_ledger(ledger.file).steps
    assert steps["ip:01"].progress is Progress.READY  # its job was followed to the end nevertheless
    assert steps["ip:02"].progress is Progress.REFUSED
    assert "ip:03" not in steps
    assert not bench.cloud.calls("createFirewallRule")


async def test_a_job_without_capacity_keeps_the_id_of_what_is_left(bench: Bench, ledger: Ledger) -> None:
    server(bench)
    bench.cloud.answers["queryAsyncJobResult"] = job("x", 533, "Unable to create a deployment for VM")
    with pytest.raises(BedFailed, match=r"\(533\): Unable .* The zone has no room left"):
        await build(bench, ledger)
    vm = read_ledger(ledger.file).steps["vm:01"]
    assert (vm.progress, vm.id) == (Progress.FAILED, "vm01-0123abcd")


async def test_a_reply_that_is_not_the_server_s_leaves_open_what_was_made(bench: Bench, ledger: Ledger) -> None:
    server(bench)
    bench.cloud.answers["createNetwork"] = Raw(502, b"<html>Bad Gateway</html>")
    with pytest.raises(BedFailed):
        await build(bench, ledger)
    assert read_ledger(ledger.file).steps["network"].progress is Progress.BEGUN
    assert len(bench.cloud.calls("createNetwork")) == 1


async def remove(bench: Bench, ledger: Ledger) -> list[str]:
    return await Remover(bench.client, ledger, bench.journal, lambda _: None).run()


def lost(ledger: Ledger, *keys: str) -> None:
    """The network is known; of the other steps no reply came."""
    ledger.began("network", "createNetwork", spec().network_name)
    ledger.note("network", Progress.MADE, id="n1", job="")
    for key in keys:
        ledger.began(key, "x", spec().vm_name(int(key[3:])) if key.startswith("vm:") else "")


async def test_lost_objects_are_found_by_name_and_number(bench: Bench, ledger: Ledger) -> None:
    lost(ledger, "vm:01", "ip:01")
    vms = [{"id": "v1", "name": spec().vm_name(1), "state": "Running"}]
    ips: list[dict[str, Any]] = [
        {"id": "i0", "ipaddress": "192.0.2.1", "issourcenat": True, "state": "Allocated"},
        {"id": "i1", "ipaddress": "192.0.2.2", "state": "Allocated"},
    ]
    networks = [NETWORK]
    server(bench)
    bench.cloud.answers["listVirtualMachines"] = paged("virtualmachine", vms)
    bench.cloud.answers["listPublicIpAddresses"] = paged("publicipaddress", ips)
    bench.cloud.answers["listNetworks"] = paged("network", networks)

    def gone(rows: list[dict[str, Any]]) -> Any:
        def answer(params: dict[str, str]) -> dict[str, Any]:
            rows[:] = [row for row in rows if row["id"] != params["id"]]
            return {"jobid": params["id"]}

        return answer

    bench.cloud.answers |= {
        "destroyVirtualMachine": gone(vms), "disassociateIpAddress": gone(ips), "deleteNetwork": gone(networks)
    }  # fmt: skip
    assert await remove(bench, ledger) == []
    order = [a.params["command"] for a in bench.cloud.asked if a.method == "POST"]
    assert order == ["destroyVirtualMachine", "disassociateIpAddress", "deleteNetwork"]
    assert bench.cloud.calls("destroyVirtualMachine")[0].params["expunge"] == "true"
    assert [a.params["id"] for a in bench.cloud.calls("disassociateIpAddress")] == ["i1"]


async def test_of_more_strange_addresses_than_were_lost_none_is_touched(bench: Bench, ledger: Ledger) -> None:
    lost(ledger, "ip:01")
    ips = [{"id": f"i{n}", "ipaddress": f"192.0.2.{n}", "state": "Allocated"} for n in (1, 2)]
    server(bench, listNetworks=[NETWORK], listPublicIpAddresses=ips)
    (problem,) = await remove(bench, ledger)
    assert "address 192.0.2.1, address 192.0.2.2 on it is not of this bed" in problem
    assert not [a for a in bench.cloud.asked if a.method == "POST"]


async def test_who_may_not_expunge_destroys_and_waits(bench: Bench, ledger: Ledger) -> None:
    lost(ledger, "vm:01")
    vm = {"id": "v1", "name": spec().vm_name(1), "state": "Running"}
    server(bench, listNetworks=[NETWORK], listVirtualMachines=[vm])

    def destroy(params: dict[str, str]) -> Any:
        if "expunge" in params:
            return refusal(531, "Parameter expunge can be passed by Admin only")
        vm["state"] = "Destroyed"
        return {"jobid": "d"}

    bench.cloud.answers["destroyVirtualMachine"] = destroy
    problems = await remove(bench, ledger)
    (problem,) = problems
    assert "destroyed but not expunged: the server does that after expunge.delay" in problem
    assert not bench.cloud.calls("deleteNetwork")
    assert vm["state"] == "Destroyed"
