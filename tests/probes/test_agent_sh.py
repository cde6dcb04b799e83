# SPDX-License-Identifier: Apache-2.0
"""The shell agent between two namespaces: what each ping's words come to, and an outage of known length."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .net import FAR, ROOT, RUN, Net
from .test_lanes import DROP_ALL

pytestmark = pytest.mark.lab
AGENT = ROOT / "probes" / "agent.sh"
PROGRAMS = ("cat", "date", "dd", "head", "ping", "sed", "setsid", "sh", "sleep", "tail", "wc")


@pytest.fixture(params=[pytest.param("iputils", marks=pytest.mark.slow), "busybox"])
def sh(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, ...]:
    """The words before a script: Debian's shell and ping, or busybox's."""
    if request.param == "iputils":
        return ("sh",)
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).symlink_to("/usr/bin/busybox")
    return ("env", f"PATH={folder}", str(folder / "sh"))


def probe(net: Net, sh: tuple[str, ...], seconds: int, *targets: str) -> Path:
    """Starts it; the spool, whose first line is there."""
    folder = net.folder / "agent"
    folder.mkdir()
    lanes = [f"{lane}:{target}" for lane, target in enumerate(targets)]
    net.call("near", *sh, str(AGENT), "start", str(folder), RUN, str(seconds), "20", "1", *lanes)
    return folder / "spool"


def until_ended(spool: Path) -> list[list[str]]:
    limit = time.monotonic() + 20
    while not (lines := spool.read_text().splitlines())[-1].startswith("e "):
        assert time.monotonic() < limit
        time.sleep(0.02)
    return [line.split() for line in lines[1:]]


def test_an_outage_of_known_length(net: Net, sh: tuple[str, ...]) -> None:
    spool = probe(net, sh, 4, FAR)
    while len(spool.read_text().splitlines()) < 4:
        time.sleep(0.01)
    cut = net.nft("far", DROP_ALL)
    time.sleep(1.3)
    healed = net.nft("far", "delete table netdev cut")
    lines = until_ended(spool)
    assert lines[-1] == ["e", "0", "20"]
    samples = {int(words[2]): words for words in lines if words[0] == "s"}
    assert len(samples) + sum(int(words[3]) for words in lines if words[0] == "m") == 20
    lost = [seq for seq, words in sorted(samples.items()) if words[6] == "1"]
    assert lost == list(range(lost[0], lost[-1] + 1))
    assert {samples[seq][7] for seq in lost} == {"-"}
    sent = {seq: int(words[4]) / 100 for seq, words in samples.items()}
    back = {seq: int(words[5]) / 100 for seq, words in samples.items()}
    slowest = max(back[seq] - sent[seq] for seq in samples if seq not in lost)
    shortest, longest = (healed[0] - cut[1]) / 1e9, (healed[1] - cut[0]) / 1e9
    assert sent[lost[-1]] - sent[lost[0]] - slowest - 0.01 <= longest
    assert back[lost[-1] + 1] + 0.01 - sent[lost[0] - 1] >= shortest
    assert all(back[seq] - sent[seq] + 0.01 >= 1.0 for seq in lost)


def test_what_routers_and_our_own_host_say(net: Net, sh: tuple[str, ...]) -> None:
    net.call("far", "sysctl", "-q", "-w", "net.ipv4.icmp_ratelimit=0", "net.ipv4.ip_forward=1")
    net.ip("near", "route add 203.0.113.0/24 via " + FAR, "route add 198.51.100.0/24 via " + FAR)
    rules = (
        "203.0.113.0/24 reject with icmp type host-unreachable",
        "198.51.100.0/24 reject with icmp type admin-prohibited",
    )
    chain = "; ".join(f"ip daddr {rule}" for rule in rules)
    net.ip("far", "link add name x0 type veth peer name x1", "addr add 203.0.113.1/24 dev x0", "link set x0 up",
           "addr add 198.51.100.1/24 dev x0", "link set x1 up")  # fmt: skip
    net.nft("far", f"table ip f {{ chain i {{ type filter hook forward priority 0; {chain}; }}; }}")
    net.nft("near", "table ip f { chain o { type filter hook output priority 0; ip daddr 10.9.0.3 drop; }; }")
    lines = until_ended(probe(net, sh, 1, "203.0.113.9", "198.51.100.9", "192.0.2.9", "10.9.0.3"))
    said = {(words[1], words[7]) for words in lines if words[0] == "s"}
    # busybox's ping does not hear routers, and iputils' is silent about its own host's firewall: both are then lost.
    if len(sh) > 1:
        assert said == {("0", "-"), ("1", "-"), ("2", "unreachable"), ("3", "self")}
    else:
        assert said == {("0", "unreachable"), ("1", "unreachable"), ("2", "unreachable"), ("3", "-")}
    assert not any(words[6] == "0" for words in lines if words[0] == "s")
