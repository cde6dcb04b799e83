# SPDX-License-Identifier: Apache-2.0
"""Whether this machine can run the test cloud, and what to install or allow where it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from csworkbench.lab.hosts import SYSTEM_PATH, LabError

_PROGRAMS = {
    "ip": "iproute2",
    "iptables-restore": "iptables",
    "nft": "nftables",
    "dnsmasq": "dnsmasq-base",
    "haproxy": "haproxy",
    "openssl": "openssl",
    "sshd": "openssh-server",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
}
"""Program: the Debian package that brings it."""
_REDUNDANT_PROGRAMS = {"keepalived": "keepalived", "conntrackd": "conntrackd"}
"""What redundant networks need besides."""

_PROBE_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the test cloud needs; `remedy` says what to do when it is missing."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def check() -> list[Check]:
    """All checks, for `doctor`."""
    return [*_basic(), _redundant()]


def require(*, redundant: bool = False) -> None:
    """Raises LabError with one line that names the first thing that is missing; `redundant`: for such networks too."""
    for item in [*_basic(), *([_redundant()] if redundant else [])]:
        if not item.ok:
            raise LabError(f"this machine cannot run the test cloud: {item.detail}. {item.remedy}")


def require_program(name: str, package: str, what: str) -> None:
    """Raises LabError when a program that not every cloud needs is missing."""
    item = _programs(name, {name: package})
    if not item.ok:
        raise LabError(f"{item.detail}, and {what} needs it. {item.remedy}")


def _basic() -> list[Check]:
    return [_namespaces(), *(_programs(name, {name: package}) for name, package in _PROGRAMS.items())]


def _redundant() -> Check:
    return _programs("redundant networks", _REDUNDANT_PROGRAMS)


def _programs(name: str, packages: Mapping[str, str]) -> Check:
    """All of these programs, in one line."""
    paths = {program: shutil.which(program, path=SYSTEM_PATH) for program in packages}
    missing = [program for program, path in paths.items() if path is None]
    if not missing:
        return Check(name, True, ", ".join(path for path in paths.values() if path is not None))
    detail = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
    return Check(name, False, detail, f"Install it: apt install {' '.join(packages[program] for program in missing)}")


def _namespaces() -> Check:
    name = "namespaces"
    root = os.geteuid() == 0
    words = ["unshare", "-nm", "true"] if root else ["unshare", "-U", "-c", "--keep-caps", "-nm", "true"]
    if shutil.which("unshare", path=SYSTEM_PATH) is None:
        return Check(name, False, "unshare is not installed", "Install it: apt install util-linux")
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_PROBE_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(name, False, f"unshare could not be tried: {error}", "")
    if done.returncode == 0:
        return Check(name, True, "as root" if root else "user namespaces are allowed")
    reason, remedy = forbidden_by(root=root)
    return Check(name, False, f"{reason} ({done.stderr.strip() or done.returncode})", remedy)


def forbidden_by(
    *, root: bool, settings: Path = Path("/proc/sys"), status: Path = Path("/proc/self/status")
) -> tuple[str, str]:
    """Which setting forbids it, and the remedy."""
    if root:
        return "root may not make namespaces here", "Run the container with CAP_SYS_ADMIN, or on the host itself"
    candidates = (
        ("user.max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
        ("kernel.unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            "kernel.apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    )
    for setting, forbidding, command in candidates:
        file = settings / setting.replace(".", "/")
        if file.exists() and file.read_text().strip() == forbidding:
            return f"user namespaces are forbidden by {setting}={forbidding}", f"As root: {command}; or run as root"
    filtered = any(line.split() == ["Seccomp:", "2"] for line in status.read_text().splitlines())
    if filtered:
        return "user namespaces are forbidden by a seccomp filter", (
            "Run the container with --security-opt seccomp=unconfined, or run as root"
        )
    return "user namespaces are refused by the kernel", "Run as root"
