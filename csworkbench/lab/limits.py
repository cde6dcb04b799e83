# SPDX-License-Identifier: Apache-2.0
"""Resource limits that an administrator has set, per account or domain."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

UNLIMITED = -1


class Resource(IntEnum):
    """`resourcetype`; the names are those of `resourcetypename`."""

    user_vm = 0
    public_ip = 1
    volume = 2
    snapshot = 3
    template = 4
    project = 5
    network = 6
    vpc = 7
    cpu = 8
    memory = 9
    primary_storage = 10
    secondary_storage = 11


@dataclass(slots=True)
class Limits:
    """Most resources of a type by the id of the account or domain; -1 is no limit."""

    _set: dict[tuple[str, Resource], int] = field(default_factory=dict)

    def of(self, owner_id: str, resource: Resource) -> int | None:
        """What was set; None where nothing was."""
        return self._set.get((owner_id, resource))

    def change(self, owner_id: str, resource: Resource, most: int) -> None:
        """From the next call on."""
        self._set[owner_id, resource] = most
