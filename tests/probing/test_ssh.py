# SPDX-License-Identifier: Apache-2.0
"""Logging in over SSH, against a real server in this process on 127.0.0.1."""

import asyncio
import base64
import hashlib
import hmac
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from csworkbench.probing import handshakes
from csworkbench.probing.connect import dial_tcp
from csworkbench.probing.handshakes import Handshakes
from csworkbench.probing.shell import OUTPUT_LIMIT, LoginRefused, ShellError
from csworkbench.probing.ssh import SshAccess, SshRoute, SshShell

from .sshd import Sshd, soon, sshd

__all__ = ["sshd"]


async def login(sshd: Sshd, access: SshAccess | None = None) -> SshShell:
    shell, attempts = await SshRoute("127.0.0.1", sshd.port, access or sshd.access, Handshakes()).open(2.0)
    assert attempts == 1
    return shell


@pytest.mark.parametrize(("theirs", "taken"), [(("zlib@openssh.com", "none"), "zlib@openssh.com"), (("none",), "none")])
async def test_the_channel_is_compressed_where_the_server_can(sshd: Sshd, theirs: tuple[str, ...], taken: str) -> None:
    sshd.compression = theirs
    await sshd.down()
    await sshd.up()
    shell = await login(sshd)
    said = await shell.run("compression")
    assert said.out.split() == [taken, taken]
    await shell.close()


async def test_login_run_put_and_pipe(sshd: Sshd) -> None:
    shell = await login(sshd)
    done = await shell.run("hello")
    assert (done.status, done.out, done.err) == (3, "out\n", "err\n")
    content = os.urandom(300_000)
    await shell.put(content, "probe.tar")
    assert hashlib.sha256((sshd.folder / "home/probe.tar").read_bytes()).digest() == hashlib.sha256(content).digest()
    pipe = await shell.open("cat")
    await pipe.write(b"E 1\n")
    assert await pipe.read() == b"E 1\n"
    pipe.abort()
    await shell.close()
    with pytest.raises(ShellError):
        await shell.run("hello")


async def test_what_cannot_be_written_is_one_line(sshd: Sshd) -> None:
    shell = await login(sshd)
    with pytest.raises(ShellError, match=r"^ops@127\.0\.0\.1:\d+: cannot write no/such over SFTP: [^\n]+$"):
        await shell.put(b"x", "no/such")
    await shell.close()


async def test_output_is_bounded_and_so_is_patience(sshd: Sshd) -> None:
    shell = await login(sshd)
    with pytest.raises(ShellError, match=f"more than {OUTPUT_LIMIT >> 10} KiB"):
        await shell.run("flood", timeout_s=20)
    with pytest.raises(ShellError, match="no end after 0 s"):
        await shell.run("silence", timeout_s=0.1)
    assert (await shell.run("hello")).status == 3  # the connection itself is as good as before
    await shell.close()


@pytest.mark.parametrize("policy", ["known", "accept-new"])
async def test_a_changed_host_key_is_refused(sshd: Sshd, policy: str) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    access = replace(sshd.access, known_hosts=sshd.known_hosts(other), host_key=policy)
    with pytest.raises(LoginRefused, match=r"host key is not the one in \S+known_hosts: [^\n]+$") as refused:
        await login(sshd, access)
    assert "accept-new" not in str(refused.value)  # that would be no way out
    assert (sshd.folder / "known_hosts").read_text() == f"[127.0.0.1]:{sshd.port} {other.export_public_key().decode()}"


async def test_a_changed_key_of_a_hashed_entry_is_refused_too(sshd: Sshd, tmp_path: Path) -> None:
    """OpenSSH hashes the names in known_hosts on many systems (HashKnownHosts)."""
    salt, name = os.urandom(20), f"[127.0.0.1]:{sshd.port}"
    digest = hmac.new(salt, name.encode(), "sha1").digest()
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    store = tmp_path / "hashed"
    store.write_text(f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()} {other}")
    with pytest.raises(LoginRefused, match="host key is not the one"):
        await login(sshd, replace(sshd.access, known_hosts=str(store), host_key="accept-new"))


async def test_an_unknown_host_key_is_refused_or_kept(sshd: Sshd, tmp_path: Path) -> None:
    store = tmp_path / "new" / "known_hosts"
    access = replace(sshd.access, known_hosts=str(store))
    with pytest.raises(LoginRefused, match=r"^ops@127\.0\.0\.1:\d+: host key not in \S+; check it and add it, or set"):
        await login(sshd, access)
    assert not store.exists()
    for _ in range(2):  # it is kept the first time and found the second
        await (await login(sshd, replace(access, host_key="accept-new"))).close()
    assert store.read_text().count(f"[127.0.0.1]:{sshd.port} ssh-ed25519") == 1
    await (await login(sshd, access)).close()


async def test_without_a_file_it_is_the_users_own(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    await (await login(sshd, replace(sshd.access, known_hosts="", host_key="accept-new"))).close()
    assert (tmp_path / ".ssh/known_hosts").read_text().startswith(f"[127.0.0.1]:{sshd.port} ")


async def test_a_file_that_is_not_there_is_empty_and_not_the_users_own(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    sshd.known_hosts(sshd.host_key)
    (tmp_path / "known_hosts").rename(tmp_path / ".ssh/known_hosts")
    with pytest.raises(LoginRefused, match="host key not in"):
        await login(sshd, replace(sshd.access, known_hosts=str(tmp_path / "nowhere")))


async def test_a_key_that_does_not_fit_and_keys_that_are_none(sshd: Sshd, tmp_path: Path) -> None:
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(tmp_path / "other"))
    with pytest.raises(LoginRefused, match="login refused; check `user` and `key`"):
        await login(sshd, replace(sshd.access, key=str(tmp_path / "other")))
    (tmp_path / "garbage").write_text("no key")
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(tmp_path / "locked"), "pkcs8-pem", "secret")
    for name in ("garbage", "locked", "missing"):
        with pytest.raises(ShellError, match=r"^ops@127\.0\.0\.1:\d+: [^\n]+$"):
            await login(sshd, replace(sshd.access, key=str(tmp_path / name)))


async def test_a_proxy_command_may_hold_words_with_spaces(sshd: Sshd, tmp_path: Path) -> None:
    code = "import socket,sys,os,threading\\ns=socket.create_connection((sys.argv[1],int(sys.argv[2])))"
    code += "\\ndef up():\\n while d:=os.read(0,65536): s.sendall(d)\\n s.shutdown(1)\\n"
    code += "threading.Thread(target=up,daemon=True).start()\\nwhile d:=s.recv(65536): os.write(1,d)"
    script = tmp_path / "my relay.py"
    script.write_text(code.replace("\\n", "\n"))
    access = replace(sshd.access, proxy_command=f"{sys.executable} '{script}' %h %p")
    shell = await login(sshd, access)
    assert (await shell.run("hello")).status == 3
    await shell.close()


async def test_a_server_that_says_nothing_or_nonsense(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(handshakes, "LOGIN_TIMEOUT_S", 0.5)
    lines = [b"", b"HTTP/1.1 400 Bad\r\n\x1b[31mred\r\n\r\n", b"SSH-1.5-old\r\n", b"x" * 300_000, b"no\n" * 5000]

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(lines[0])
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    route = SshRoute("127.0.0.1", server.sockets[0].getsockname()[1], SshAccess("ops", own_config=True), Handshakes())
    for _ in range(5):
        with pytest.raises(ShellError, match=r"^ops@127\.0\.0\.1:\d+: [^\n]{3,320}$"):
            await route.open(2.0)
        lines.pop(0)
        lines.append(b"")
    server.close()


async def test_a_silent_connection_is_noticed(sshd: Sshd, tmp_path: Path) -> None:
    """Keepalive: a path that died without a word ends the connection within seconds (S10)."""
    frozen = asyncio.Event()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", sshd.port)

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                if not frozen.is_set():
                    sink.write(data)
            sink.close()

        await asyncio.gather(copy(reader, back), copy(there, writer), return_exceptions=True)

    between = await asyncio.start_server(relay, "127.0.0.1", 0)
    port = between.sockets[0].getsockname()[1]
    store = tmp_path / "relayed"
    access = replace(sshd.access, known_hosts=str(store), host_key="accept-new")
    shell, _ = await SshRoute("127.0.0.1", port, access, Handshakes()).open(2.0)
    pipe = await shell.open("silence")
    frozen.set()
    async with asyncio.timeout(8):
        with pytest.raises(ShellError):
            while await pipe.read():
                pass
            raise ShellError("closed")
    await shell.close()
    between.close()


async def test_logins_that_nobody_waits_for_leave_nothing(sshd: Sshd) -> None:
    """Cancelled at any moment of dialling and handshake."""
    for delay_ms in range(0, 60, 3):
        route = SshRoute("127.0.0.1", sshd.port, sshd.access, Handshakes())
        opening = asyncio.create_task(route.open(2.0))
        await asyncio.sleep(delay_ms / 1000)
        opening.cancel()
        result: Any = (await asyncio.gather(opening, return_exceptions=True))[0]
        if isinstance(result, tuple):
            await result[0].close()


async def test_several_logins_of_one_route_dial_one_after_the_other(sshd: Sshd) -> None:
    """A reconnect begins logins beside one another; in a long outage they must not triple the attempts."""
    at_once = most = 0

    async def dial(host: str, port: int) -> socket.socket:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            await asyncio.Event().wait()
        finally:
            at_once -= 1
        return await dial_tcp(host, port)

    route = SshRoute("127.0.0.1", sshd.port, replace(sshd.access, dial=dial), Handshakes())
    logins = [asyncio.create_task(route.open(60.0)) for _ in range(3)]
    await asyncio.sleep(3.5)
    assert 3 <= most <= 6
    for task in logins:
        task.cancel()
    await asyncio.gather(*logins, return_exceptions=True)
    await soon(lambda: at_once == 0)
