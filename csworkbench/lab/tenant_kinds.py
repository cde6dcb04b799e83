# SPDX-License-Identifier: Apache-2.0
"""Tenants as users have them: whose login is root, may use sudo, may do neither, or finds no Python at all."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from csworkbench.lab import capability
from csworkbench.lab.hosts import SYSTEM_PATH, LabError
from csworkbench.lab.records import Vm

_OPS_ID = 1000
"""uid and gid of a login that is not root, in a cloud that root runs."""
_PYTHON = re.compile(r"python[\d.]*")
_DROP = ("setpriv", "--inh-caps=-all", "--ambient-caps=-all")
"""The bounding set stays: without CAP_NET_RAW in it, ping with its file capability could not even be started."""


class Kind(StrEnum):
    """What its login user may do. OWN: the cloud's own user, who may open packet sockets."""

    OWN = "own"
    ROOT = "root"
    SUDO = "sudo"
    USER = "user"
    SHELL = "shell"


_CLOUD_OF_ROOT = (Kind.ROOT, Kind.SUDO)
_WITHOUT_ROOT = (Kind.SUDO, Kind.USER, Kind.SHELL)
OFFERED = tuple(kind for kind in Kind if kind is not Kind.OWN)


@dataclass(frozen=True, slots=True)
class Group:
    """So many VMs of a kind."""

    kind: Kind
    vms: int


def parse(text: str) -> tuple[Group, ...]:
    """`user:2,shell:1`. Raises LabError."""
    groups = []
    for part in text.split(","):
        name, _, count = part.partition(":")
        if name not in OFFERED:
            raise LabError(f"unknown kind of tenant {name!r}; there are {', '.join(OFFERED)}")
        if not (count.isascii() and count.isdigit() and 0 < int(count) <= 1000):
            raise LabError(f"how many tenants of the kind {name}? As in {name}:2")
        groups.append(Group(Kind(name), int(count)))
    return tuple(groups)


def check(groups: Sequence[Group], vms: int) -> None:
    """Raises LabError for kinds that this machine cannot have, or for more tenants than there are."""
    if sum(group.vms for group in groups) > vms:
        raise LabError(f"--tenant-kinds names more tenants than --vms {vms}")
    for group in groups:
        if group.kind in _CLOUD_OF_ROOT and os.geteuid() != 0:
            raise LabError(f"tenants of the kind {group.kind} need a cloud that root runs: nobody else has a user root")
        if group.kind is Kind.SUDO:
            capability.require_program("sudo", "sudo", "a tenant of the kind sudo")


def assign(vms: Sequence[Vm], groups: Sequence[Group]) -> None:
    """The last VMs are of these kinds, in their order."""
    kinds = [group.kind for group in groups for _ in range(group.vms)]
    for vm, kind in zip(vms[len(vms) - len(kinds) :], kinds, strict=True):
        vm.kind = kind


@dataclass(frozen=True, slots=True)
class Login:
    """The login user of a tenant: its ids, and the words before its SSH server."""

    uid: int
    gid: int
    before_sshd: tuple[str, ...] = ()


def login(kind: str) -> Login:
    """Of a tenant of that kind."""
    if kind not in _WITHOUT_ROOT:
        return Login(os.getuid(), os.getgid())
    if os.geteuid() == 0:
        return Login(_OPS_ID, _OPS_ID)
    return Login(os.getuid(), os.getgid(), _DROP)


def sysctls(kind: str) -> dict[str, str]:
    """Of a tenant of that kind: datagram ICMP sockets, as most distributions allow them, and port 22 without root."""
    if kind not in _WITHOUT_ROOT:
        return {}
    gid = login(kind).gid
    return {"net/ipv4/ping_group_range": f"{gid} {gid}", "net/ipv4/ip_unprivileged_port_start": "22"}


def hidden(kind: str) -> list[str]:
    """Programs that a tenant of that kind does not have."""
    if kind != Kind.SHELL:
        return []
    found = (path for folder in SYSTEM_PATH.split(":") for path in Path(folder).glob("python*"))
    return sorted({str(path.resolve()) for path in found if _PYTHON.fullmatch(path.name) and path.is_file()})


def more_files(kind: str) -> dict[str, tuple[str, int]]:
    """In /etc of a tenant of that kind: {path: (text, mode)}."""
    if kind != Kind.SUDO:
        return {}
    return {
        "/etc/sudoers.d/ops": ("ops ALL=(ALL) NOPASSWD: ALL\n", 0o440),
        "/etc/shadow": ("root:*:19000:0:99999:7:::\nops:*:19000:0:99999:7:::\n", 0o640),  # PAM asks for the account
    }
