# SPDX-License-Identifier: Apache-2.0
"""SSH key pairs of the accounts: made by ssh-keygen, or given by their public half."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from csworkbench.lab.hosts import LabError

_TYPES = frozenset(
    {
        *("ssh-rsa", "ssh-dss", "ssh-ed25519"),
        *("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
        *("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"),
    }
)
_RSA_BITS = 2048
"""The default of `ssh.key.length`."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """One row of listSSHKeyPairs: the private half is nowhere."""

    id: str
    name: str
    account: str
    public_key: str
    """One line of authorized_keys."""

    @property
    def fingerprint(self) -> str:
        """MD5 of the key, octets in hexadecimal with colons."""
        digest = hashlib.md5(base64.b64decode(self.public_key.split()[1]), usedforsecurity=False).hexdigest()
        return ":".join(digest[place : place + 2] for place in range(0, len(digest), 2))


def checked(material: str) -> str:
    """A public key in OpenSSH's form, or in base64 once more, as one line. Raises ValueError."""
    words = material.split()
    if len(words) == 1:
        words = base64.b64decode(words[0], validate=True).decode("ascii").split()
    if len(words) < 2 or words[0] not in _TYPES:
        raise ValueError("not a public key")
    try:
        content = base64.b64decode(words[1], validate=True)
    except binascii.Error as error:
        raise ValueError("not a public key") from error
    name = words[0].encode()
    if not content.startswith(len(name).to_bytes(4) + name) or len(content) <= 4 + len(name):
        raise ValueError("not a public key")
    return " ".join(words)


async def generate() -> tuple[str, str]:
    """A fresh RSA pair: private key in PEM, public one as a line of authorized_keys. Raises LabError."""
    with tempfile.TemporaryDirectory(prefix="csworkbench-key-") as directory:
        file = Path(directory) / "key"
        words = ("-q", "-t", "rsa", "-b", str(_RSA_BITS), "-m", "PEM", "-N", "", "-C", "", "-f", str(file))
        process = await asyncio.create_subprocess_exec("ssh-keygen", *words, stdin=asyncio.subprocess.DEVNULL)
        if await process.wait() != 0:
            raise LabError("ssh-keygen could not make a key pair")
        return file.read_text(), file.with_suffix(".pub").read_text().strip()
