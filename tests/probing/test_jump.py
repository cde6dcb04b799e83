# SPDX-License-Identifier: Apache-2.0
"""Jump hosts: one connection for all, opened again when it dies, host keys checked, nothing left behind."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncssh
import pytest

from csworkbench.model.hop import Hop, parse_hop
from csworkbench.probing import jump as jump_module
from csworkbench.probing.connect import dial_soon
from csworkbench.probing.handshakes import Handshakes
from csworkbench.probing.jump import JumpHost, jump_chain
from csworkbench.probing.shell import LoginRefused, ShellError
from csworkbench.probing.ssh import SshAccess, SshRoute

from .sshd import Sshd, soon, sshd

__all__ = ["sshd"]


@pytest.fixture
async def behind(sshd: Sshd) -> AsyncIterator[Sshd]:
    """Another server, reached through the first one."""
    server = Sshd(sshd.folder)
    await server.up()
    yield server
    await server.down()


def access_to(*servers: Sshd) -> SshAccess:
    lines = [f"[127.0.0.1]:{s.port} {s.host_key.export_public_key().decode()}" for s in servers]
    path = servers[0].folder / "all"
    path.write_text("".join(lines))
    return replace(servers[0].access, known_hosts=str(path))


async def test_all_logins_share_one_connection(sshd: Sshd, behind: Sshd) -> None:
    access, shared = access_to(sshd, behind), Handshakes()
    (jump,) = jump_chain((Hop("ops", "127.0.0.1", sshd.port),), access, shared)
    routes = [SshRoute("127.0.0.1", behind.port, replace(access, dial=jump.dial), shared) for _ in range(12)]
    shells = await asyncio.gather(*(route.open(5.0) for route in routes))
    assert (sshd.logins, sshd.forwarded, behind.logins) == (1, 12, 12)
    assert behind.most <= 8
    assert (await shells[3][0].run("hello")).status == 3
    pipe = await shells[5][0].open("cat")
    block = b"x" * 9_999 + b"\n"
    for _ in range(40):  # more than any buffer on the way holds
        await pipe.write(block)
    got = 0
    while got < 40 * len(block):
        got += len(await pipe.read())
    for shell, _ in shells:
        await shell.close()
    await jump.close()


async def test_it_is_opened_again_when_it_has_died(sshd: Sshd, behind: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jump_module, "OPEN_LIMIT_S", 0.1)
    access, shared = access_to(sshd, behind), Handshakes()
    (jump,) = jump_chain((Hop("", "127.0.0.1", sshd.port),), access, shared)
    route = SshRoute("127.0.0.1", behind.port, replace(access, dial=jump.dial), shared)
    shell, _ = await route.open(5.0)
    await sshd.down()
    sshd.drop()
    with pytest.raises(ShellError):
        for _ in range(50):
            await shell.run("hello")
            await asyncio.sleep(0.02)
    shell.abort()
    with pytest.raises(ShellError, match=r"jump host .*cannot be reached"):
        await route.open(0.5)
    await sshd.up()
    again, _ = await route.open(5.0)
    assert (await again.run("hello")).status == 3
    assert sshd.logins == 2
    await again.close()
    await jump.close()


async def test_its_host_key_is_checked(sshd: Sshd, behind: Sshd) -> None:
    """And refused at once: whoever asks again and again is locked out in the end."""
    access = access_to(sshd, behind)
    other = asyncssh.generate_private_key("ssh-ed25519")
    access = replace(access, known_hosts=sshd.known_hosts(other))
    (jump,) = jump_chain((Hop("", "127.0.0.1", sshd.port),), access, Handshakes())
    route = SshRoute("127.0.0.1", behind.port, replace(access, dial=jump.dial), Handshakes())
    async with asyncio.timeout(5):
        with pytest.raises(LoginRefused, match=r"^jump host ops@127\.0\.0\.1:\d+: its host key is not the one in"):
            await route.open(60.0)
    assert (sshd.logins, behind.logins) == (0, 0)
    await jump.close()


async def test_two_in_a_row(sshd: Sshd, behind: Sshd) -> None:
    last = Sshd(sshd.folder)
    await last.up()
    access, shared = access_to(sshd, behind, last), Handshakes()
    hops = (Hop("", "127.0.0.1", sshd.port), Hop("", "127.0.0.1", behind.port))
    chain = jump_chain(hops, access, shared)
    shell, _ = await SshRoute("127.0.0.1", last.port, replace(access, dial=chain[-1].dial), shared).open(5.0)
    assert (await shell.run("hello")).status == 3
    assert (sshd.forwarded, behind.forwarded) == (1, 1)
    await shell.close()
    for jump in reversed(chain):
        await jump.close()
    await last.down()


async def test_a_channel_that_opens_too_late_is_closed(sshd: Sshd, behind: Sshd) -> None:
    """What was given up must not stay open at the jump host: the tenant's sshd would count it for two minutes."""
    access = access_to(sshd, behind)
    (jump,) = jump_chain((Hop("", "127.0.0.1", sshd.port),), access, Handshakes())
    (await dial_soon(jump.dial, "127.0.0.1", behind.port, 5.0))[0].close()
    await soon(lambda: behind.handshaking == 0)
    for turns in range(1, 12):
        dialling = asyncio.create_task(jump.dial("127.0.0.1", behind.port))
        for _ in range(turns):
            await asyncio.sleep(0)
        dialling.cancel()
        result = (await asyncio.gather(dialling, return_exceptions=True))[0]
        if not isinstance(result, BaseException):
            result.close()
    await soon(lambda: sshd.forwarded >= 2 and behind.handshaking == 0)
    await jump.close()


async def test_closing_one_that_is_just_opening(sshd: Sshd, behind: Sshd) -> None:
    (jump,) = jump_chain((Hop("", "127.0.0.1", sshd.port),), access_to(sshd, behind), Handshakes())
    dialling = asyncio.create_task(jump.dial("127.0.0.1", behind.port))
    await asyncio.sleep(0)
    await jump.close()
    await asyncio.gather(dialling, return_exceptions=True)
    assert dialling.done()
    assert isinstance(jump, JumpHost)


@pytest.mark.parametrize(
    ("text", "hop"),
    [
        ("bastion", Hop("", "bastion", 22)),
        ("ops@bastion.example.org", Hop("ops", "bastion.example.org", 22)),
        ("ops@10.0.0.1:2222", Hop("ops", "10.0.0.1", 2222)),
        ("ops@[2001:db8::1]:2222", Hop("ops", "2001:db8::1", 2222)),
    ],
)
def test_hops(text: str, hop: Hop) -> None:
    assert parse_hop(text) == hop


@pytest.mark.parametrize(
    "text", ["", "ops@", "@host", "-oProxyCommand=x", "host:0", "host:70000", "a b", "2001:db8::1"]
)
def test_what_is_no_hop(text: str) -> None:
    with pytest.raises(ValueError, match="is no jump host; write user@host"):
        parse_hop(text)
