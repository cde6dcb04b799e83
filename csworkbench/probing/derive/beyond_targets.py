# SPDX-License-Identifier: Apache-2.0
"""Targets beyond one guest network: VMs in other tiers of a VPC, and system VMs."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Tier:
    """A VM in another tier of the VPC, which the tenants reach through its router; an ACL has to let the port in."""

    name: str
    vm: str
    address: str
    port: int = 22


class SystemVmKind(StrEnum):
    """The system VMs that face users."""

    CONSOLE_PROXY = "consoleproxy"
    SECONDARY_STORAGE = "secondarystoragevm"


@dataclass(frozen=True, slots=True)
class SystemVm:
    """A system VM with its public address."""

    kind: SystemVmKind
    name: str
    address: str
