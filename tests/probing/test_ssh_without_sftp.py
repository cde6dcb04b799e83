# SPDX-License-Identifier: Apache-2.0
"""Files go to servers that have no SFTP, as dropbear on a small image: through a shell."""

import asyncio
import os
from pathlib import Path

import asyncssh
import pytest

from csworkbench.probing.handshakes import Handshakes
from csworkbench.probing.shell import ShellError
from csworkbench.probing.ssh import SshAccess, SshRoute


async def test_a_server_without_sftp_gets_files_through_cat(tmp_path: Path) -> None:
    host_key, key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    key.write_private_key(str(tmp_path / "ops"))
    key.write_public_key(str(tmp_path / "ops.pub"))
    home = tmp_path / "home"
    home.mkdir()

    async def process(channel: asyncssh.SSHServerProcess[bytes]) -> None:
        assert channel.command is not None
        done = await asyncio.create_subprocess_exec(
            "sh", "-c", channel.command, stdin=-1, stderr=-1, env={"HOME": str(home), "PATH": os.defpath}
        )
        said = await done.communicate(await channel.stdin.read())
        channel.stderr.write(said[1])
        channel.exit(done.returncode or 0)

    acceptor = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[host_key], authorized_client_keys=str(tmp_path / "ops.pub"),
        process_factory=process, encoding=None,
    )  # fmt: skip
    port = acceptor.get_port()
    (tmp_path / "known").write_text(f"[127.0.0.1]:{port} {host_key.export_public_key().decode()}")
    access = SshAccess("ops", str(tmp_path / "ops"), str(tmp_path / "known"), own_config=True)
    shell, _ = await SshRoute("127.0.0.1", port, access, Handshakes()).open(2.0)
    content = os.urandom(200_000)
    await shell.put(content, "probe $(touch evil).tar")
    assert (home / "probe $(touch evil).tar").read_bytes() == content
    with pytest.raises(ShellError, match=r"^ops@127\.0\.0\.1:\d+: cannot write no/such: [^\n]+$"):
        await shell.put(b"x", "no/such")
    await shell.close()
    acceptor.close()
    await acceptor.wait_closed()
