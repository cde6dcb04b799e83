# SPDX-License-Identifier: Apache-2.0
"""A pair of redundant routers, seen by a tenant, by somebody outside, and on the routers themselves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from csworkbench.lab import plan
from csworkbench.lab.keepalived import VirtualAddress, Vrrp, conntrackd_conf, keepalived_conf
from csworkbench.lab.redundancy import State, role
from csworkbench.lab.switch_faults import mute, split
from tests.lab import ordinary_user
from tests.lab.redundant_pair import GATEWAY, PUBLIC_MAC, Ping, Router, Session, miniature, until
from tests.lab.support import environment

FAST_S = 0.1
_VIRTUAL = VirtualAddress(IPv4Interface("10.1.1.1/24"), "eth0")


def test_keepalived_has_cloudstacks_settings() -> None:
    lines = keepalived_conf(Vrrp("r-1-VM", [_VIRTUAL], "abcdefghijkl")).splitlines()
    words = {" ".join(line.split()) for line in lines}
    assert words >= {
        "state BACKUP",
        "interface eth0",
        "virtual_router_id 51",
        "nopreempt",
        "advert_int 1",
        "auth_type AH",
        "auth_pass abcdefgh",
        "10.1.1.1/24 brd 10.1.1.255 dev eth0",
    }
    assert not any(line.startswith("priority") for line in words)


def test_a_vpc_has_one_instance_with_the_gateway_of_every_tier() -> None:
    tiers = [VirtualAddress(IPv4Interface(f"10.9.{tier}.1/24"), f"eth{tier + 1}") for tier in (1, 2)]
    text = keepalived_conf(Vrrp("r-1-VM", tiers, "abcdefgh"))
    assert text.count("vrrp_instance") == 1
    assert "interface eth2\n" in text
    assert "10.9.1.1/24 brd 10.9.1.255 dev eth2" in text
    assert "10.9.2.1/24 brd 10.9.2.255 dev eth3" in text


def test_intervals_below_a_second_take_the_version_that_knows_them() -> None:
    text = keepalived_conf(Vrrp("r-1-VM", [_VIRTUAL], "abcdefgh", 0.1))
    assert "version 3\n" in text
    assert "advert_int 0.1\n" in text
    assert "auth_pass" not in text


@pytest.mark.parametrize(
    ("password", "interval_s"), [("", 1.0), ("a}b", 1.0), ("a b", 1.0), ("abc", 0.0), ("abc", 41.0)]
)
def test_what_keepalived_would_misread_is_refused(password: str, interval_s: float) -> None:
    with pytest.raises(ValueError, match="VRRP"):
        Vrrp("r-1-VM", [_VIRTUAL], password, interval_s)


def test_conntrackd_speaks_on_the_guest_device() -> None:
    words = {" ".join(line.split()) for line in conntrackd_conf("eth0", "10.1.1.2", ["10.1.1.2"]).splitlines()}
    assert words >= {"Mode FTFW {", "IPv4_address 225.0.0.50", "Group 3780", "IPv4_interface 10.1.1.2"}


async def _public_link(router: Router) -> tuple[str, str]:
    """MAC and state of its public link."""
    (row,) = json.loads((await router.host.run("ip", "-j", "link", "show", "dev", "eth2")).output)
    return row["address"], row["operstate"]


@pytest.mark.lab
async def test_the_primary_is_killed_and_sessions_live_on() -> None:
    async with miniature(advert_interval_s=FAST_S) as pair:
        primary, backup = pair.in_state(State.PRIMARY), pair.in_state(State.BACKUP)
        assert [await role(router.host) for router in (primary, backup)] == [State.PRIMARY, State.BACKUP]
        assert [await role(router.host, public_device="eth2") for router in (primary, backup)] == [
            State.PRIMARY,
            State.BACKUP,
        ]
        assert await _public_link(primary) == (PUBLIC_MAC, "UP")
        assert await _public_link(backup) == (PUBLIC_MAC, "DOWN")
        assert await pair.owners() == {primary.guest_mac}
        ping = await Ping.start(pair.tenant, plan.OUTSIDE_HOST)
        session = await Session.open(pair.outside)
        await pair.power_off(primary)
        await backup.redundancy.wait_for(State.PRIMARY)
        assert await session.alive()
        gap_s = await ping.gap_s()
        print(f"killed at {FAST_S} s: gap {gap_s:.3f} s, {backup.redundancy.transitions[-1]}")
        session.close()
        assert 0.2 < gap_s < 2.6  # 0.36 s on an idle machine; advertisements of 1 s would take 2.6 s at least
        assert await role(backup.host) is State.PRIMARY
        assert await pair.owners() == {backup.guest_mac}
        await until(lambda: backup.called[-1:] == [State.PRIMARY], "its services are not told")
        assert backup.called == [State.BACKUP, State.PRIMARY]


@pytest.mark.lab
async def test_a_split_pair_has_two_primaries_and_one_after_healing() -> None:
    async with miniature(advert_interval_s=FAST_S) as pair:
        macs = {router.guest_mac for router in pair.routers}
        backup = pair.in_state(State.BACKUP)
        await split(pair.fabric, True)
        await backup.redundancy.wait_for(State.PRIMARY)
        assert await pair.owners() == macs
        assert [await role(router.host) for router in pair.routers] == [State.PRIMARY, State.PRIMARY]
        await split(pair.fabric, False)
        await pair.settled()
        winner, loser = pair.in_state(State.PRIMARY), pair.in_state(State.BACKUP)
        assert await pair.owners() == {winner.guest_mac}
        assert (await _public_link(winner))[1] == "UP"
        assert (await _public_link(loser))[1] == "DOWN"
        ping = await Ping.start(pair.outside, "198.51.100.10")
        await ping.gap_s()


@pytest.mark.lab
@pytest.mark.slow
@pytest.mark.parametrize("synchronised", [False, True])
async def test_a_backup_that_joins_late_knows_older_sessions_only_when_it_asks(synchronised: bool) -> None:
    async with miniature(advert_interval_s=FAST_S) as pair:
        older = await Session.open(pair.outside)
        primary, late = pair.in_state(State.PRIMARY), await pair.replace_backup()
        await pair.settled()
        if synchronised:
            await late.redundancy.synchronise()
        newer = await Session.open(pair.outside)
        while await late.redundancy.synchronised() < 1 + synchronised:
            pass  # each look starts a program and takes some ms
        await pair.power_off(primary)
        await late.redundancy.wait_for(State.PRIMARY)
        assert await newer.alive()
        assert await older.alive(5.0) is synchronised
        older.close()
        newer.close()


@pytest.mark.lab
async def test_a_guest_link_that_fails_is_a_fault_of_that_router() -> None:
    async with miniature(advert_interval_s=FAST_S) as pair:
        primary, backup = pair.in_state(State.PRIMARY), pair.in_state(State.BACKUP)
        await pair.fabric.ip(pair.fabric.namespaces.fab, f"link set {primary.ports[0].name} down")
        await primary.redundancy.wait_for(State.FAULT)
        await backup.redundancy.wait_for(State.PRIMARY)
        assert (await _public_link(primary))[1] == "DOWN"
        await until(lambda: primary.called[-1:] == [State.FAULT], "its services are not told")
        await pair.fabric.ip(pair.fabric.namespaces.fab, f"link set {primary.ports[0].name} up")
        await pair.settled()
        assert pair.in_state(State.PRIMARY) is backup  # nopreempt


@pytest.mark.lab
async def test_without_gratuitous_arp_the_tenant_keeps_the_old_gateway() -> None:
    async with miniature(advert_interval_s=FAST_S) as pair:
        primary, backup = pair.in_state(State.PRIMARY), pair.in_state(State.BACKUP)
        await pair.tenant.run("ping", "-c", "1", plan.OUTSIDE_HOST)
        await mute(pair.fabric, [GATEWAY])
        await pair.power_off(primary)
        await backup.redundancy.wait_for(State.PRIMARY)
        fab, dropped = pair.fabric.namespaces.fab, 0
        while dropped < 5:  # keepalived sends five at once
            table = (await fab.run("nft", "list", "table", "bridge", "lab_mute")).output
            dropped = int(table.split("packets ")[1].split()[0])
        cached = (await pair.tenant.run("ip", "neigh", "show", GATEWAY)).output
        assert primary.guest_mac in cached
        await mute(pair.fabric, [])
        await pair.tenant.run("ip", "neigh", "flush", "dev", "eth0")
        await pair.tenant.run("ping", "-c", "1", "-W", "5", plan.OUTSIDE_HOST)


@pytest.mark.lab
@pytest.mark.slow
async def test_a_primary_that_resigns_is_hardly_missed() -> None:
    async with miniature() as pair:
        primary, backup = pair.in_state(State.PRIMARY), pair.in_state(State.BACKUP)
        ping = await Ping.start(pair.tenant, plan.OUTSIDE_HOST)
        await primary.redundancy.stop(graceful=True)
        await backup.redundancy.wait_for(State.PRIMARY)
        gap_s = await ping.gap_s()
        print(f"resigned at 1 s: gap {gap_s:.3f} s")
        assert gap_s < 2.0  # skew: 0.61 s
        assert primary.redundancy.state is State.UNKNOWN
        assert await role(primary.host) is State.FAULT


@pytest.mark.lab
@pytest.mark.slow
async def test_a_session_from_outside_dies_without_synchronisation() -> None:
    async with miniature(sessions=False) as pair:
        ping = await Ping.start(pair.tenant, plan.OUTSIDE_HOST)
        session = await Session.open(pair.outside)
        backup = pair.in_state(State.BACKUP)
        await pair.power_off(pair.in_state(State.PRIMARY))
        await backup.redundancy.wait_for(State.PRIMARY)
        gap_s = await ping.gap_s()
        print(f"killed at 1 s: gap {gap_s:.3f} s")
        assert 2.0 < gap_s < 5.0  # 3 x advert + skew after the last advertisement
        assert not await session.alive()
        session.close()
        again = await Session.open(pair.outside)
        again.close()


@pytest.mark.lab
@pytest.mark.slow
def test_a_pair_of_an_ordinary_user() -> None:
    home = Path(tempfile.mkdtemp(prefix="lab-user-"))
    try:
        os.chown(home, *ordinary_user.identity())
        words = ordinary_user.lab_prefix(home, words=("-m", "tests.lab.redundant_pair"))
        done = subprocess.run(words, capture_output=True, text=True, timeout=90, check=False, env=environment())
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout)
        print(seen)
        assert 2.0 < seen["gap_s"] < 5.0
        assert seen["session"]
    finally:
        shutil.rmtree(home)
