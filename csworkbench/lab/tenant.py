# SPDX-License-Identifier: Apache-2.0
"""What a host of the lab finds in its file system: names, a home, and for tenants an OpenSSH server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csworkbench.lab import tenant_kinds
from csworkbench.lab.hostfs import Spec
from csworkbench.lab.hosts import SYSTEM_PATH
from csworkbench.lab.tenant_kinds import Kind

USER = "ops"
HOME = f"/run/home/{USER}"
SSHD_CONFIG = "/run/ssh/sshd_config"
LISTENING = "Server listening on"
"""What sshd says on stderr when it accepts connections."""

_SHELL = next((shell for shell in ("/bin/bash", "/bin/sh") if Path(shell).exists()), "/bin/sh")
_PRIVATE, _READABLE, _PROGRAM = 0o600, 0o644, 0o755


@dataclass(frozen=True, slots=True)
class SshKeys:
    """A tenant's host key (private, OpenSSH format) and the public key of the one who may log in."""

    host_key: str
    authorized: str


def environment(name: str) -> dict[str, str]:
    """The environment of programs started on that host from outside of it (`lab exec`)."""
    return {
        "PATH": SYSTEM_PATH,
        "HOME": HOME,
        "USER": USER,
        "LOGNAME": USER,
        "SHELL": _SHELL,
        "LANG": "C.UTF-8",
        "HOSTNAME": name,
    }


def host_spec(name: str, clock_offset_s: int, *, nameserver: str | None, hosts: str = "") -> dict[str, Any]:
    """A host with a name, a clock and a file system of its own, to be given to `Namespaces.create`."""
    files: dict[str, tuple[str, int]] = {
        "/etc/hosts": (f"127.0.0.1 localhost\n127.0.1.1 {name}\n{hosts}", _READABLE),
        "/etc/hostname": (f"{name}\n", _READABLE),
        "/etc/resolv.conf": (f"nameserver {nameserver}\n" if nameserver else "", _READABLE),
        "/etc/passwd": (_passwd(os.getuid(), os.getgid()), _READABLE),
        "/etc/group": (_group(os.getgid()), _READABLE),
        f"{HOME}/.bashrc": ("", _READABLE),
    }
    return {
        "name": name,
        "clock_offset_s": clock_offset_s,
        "proc": True,
        "read_only": True,
        "tmpfs": [*(["/dev/shm"] if Path("/dev/shm").is_dir() else []), "/run", "/tmp", "/var"],  # noqa: S108 - mount points of the host's own
        "directories": {
            "/tmp": 0o1777,  # noqa: S108
            "/dev/shm": 0o1777,  # noqa: S108
            "/run/lock": _PROGRAM,
            "/run/sshd": _PROGRAM,  # privilege separation, when sshd runs as root
            HOME: 0o700,
            "/var/tmp": 0o1777,  # noqa: S108
            "/var/log": _PROGRAM,
            "/var/lib": _PROGRAM,
            "/var/cache": _PROGRAM,
            "/var/spool": _PROGRAM,
        },
        "files": files,
        "layered": ["/etc"],
        "home": HOME,
        "sysctls": {
            "net/ipv6/conf/all/disable_ipv6": "1",
            "net/ipv6/conf/default/disable_ipv6": "1",
            "net/ipv4/conf/all/rp_filter": "0",
            "net/ipv4/conf/default/rp_filter": "0",
        },
    }


def tenant_spec(
    name: str, clock_offset_s: int, *, nameserver: str, keys: SshKeys, ipv6: bool = False, kind: str = Kind.OWN
) -> Spec:
    """A tenant VM: a host with the files of its SSH server, and what its kind lets its login user do."""
    user = tenant_kinds.login(kind)
    spec = host_spec(name, clock_offset_s, nameserver=nameserver)
    spec["files"] |= {
        SSHD_CONFIG: (_sshd_config("::" if ipv6 else "", sftp=kind != Kind.SHELL), _PRIVATE),
        "/run/ssh/host_key": (keys.host_key, _PRIVATE),
        "/var/log/lastlog": ("", _READABLE),
        "/run/ssh/authorized_keys": (keys.authorized, _PRIVATE),
        "/etc/passwd": (_passwd(user.uid, user.gid), _READABLE),
        "/etc/group": (_group(user.gid), _READABLE),
        **tenant_kinds.more_files(kind),
    }
    spec["owners"] = dict.fromkeys((HOME, f"{HOME}/.bashrc", "/run/ssh/authorized_keys"), (user.uid, user.gid))
    spec["sysctls"] |= tenant_kinds.sysctls(kind)
    spec["hidden"] = tenant_kinds.hidden(kind)
    return spec


def _sshd_config(more: str, *, sftp: bool) -> str:
    return f"""\
ListenAddress 0.0.0.0
{f"ListenAddress {more}" if more else ""}
Port 22
PidFile none
HostKey /run/ssh/host_key
AuthorizedKeysFile /run/ssh/authorized_keys
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no
PrintMotd no
PrintLastLog no
SetEnv PATH={SYSTEM_PATH}
{"Subsystem sftp internal-sftp" if sftp else ""}
"""


def _passwd(uid: int, gid: int) -> str:
    """The machine's users behind the tenant user, so that the tenant's own uid is always called `ops`."""
    ours = f"{USER}:x:{uid}:{gid}:tenant:{HOME}:{_SHELL}"
    return "\n".join([ours, *_lines("/etc/passwd"), ""])


def _group(gid: int) -> str:
    """`tty` is our own group: a user namespace maps no other, and sshd gives terminals to it."""
    others = [line for line in _lines("/etc/group") if not line.startswith(("tty:", f"{USER}:"))]
    return "\n".join([f"{USER}:x:{gid}:", f"tty:x:{os.getgid()}:", *others, ""])


def _lines(path: str) -> list[str]:
    return [line for line in Path(path).read_text(errors="replace").splitlines() if not line.startswith(f"{USER}:")]
