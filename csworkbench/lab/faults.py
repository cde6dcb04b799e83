# SPDX-License-Identifier: Apache-2.0
"""Faults that can be switched on while the cloud runs."""

from __future__ import annotations

from csworkbench.lab.hosts import LabError

DESCRIPTIONS = {
    "no-garp": "new routers do not announce their addresses",
    "real-arping": "routers announce public addresses as CloudStack's `arping -A -U -s ADDRESS GATEWAY` does",
    "no-capacity": "the hypervisor has no room for another router",
    "restart-fails": "a new router never gets its configuration; the job fails",
    "ssh-off": "the SSH server of the last tenant is stopped",
}


class Faults:
    """The set of active faults."""

    def __init__(self) -> None:
        self._active: set[str] = set()

    def is_set(self, name: str) -> bool:
        """Whether that fault is active."""
        return name in self._active

    def change(self, name: str, *, on: bool) -> None:
        """Switch a fault; raises LabError for an unknown name."""
        if name not in DESCRIPTIONS:
            raise LabError(f"unknown fault {name!r}; there are {', '.join(DESCRIPTIONS)}")
        (self._active.add if on else self._active.discard)(name)

    def listing(self) -> list[dict[str, object]]:
        """Every fault with its state, for `lab fault`."""
        return [
            {"name": name, "active": name in self._active, "description": text} for name, text in DESCRIPTIONS.items()
        ]
