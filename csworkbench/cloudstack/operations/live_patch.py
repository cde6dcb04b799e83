# SPDX-License-Identifier: Apache-2.0
"""The live patch of routers as a step of a run: a restart with livepatch=true (cloudstack-api.md 4.4 to 4.6).

patchSystemVm takes SSVM and CPVM only; for routers CloudStack's own UI restarts the network or VPC with livepatch=true.
"""

from typing import Self

from csworkbench.cloudstack.client import Client
from csworkbench.cloudstack.errors import Unsupported
from csworkbench.cloudstack.text import one_line
from csworkbench.cloudstack.verify import Verified, outdated, release, verify_live_patch
from csworkbench.cloudstack.wording import count, target
from csworkbench.model.cloud import Inventory, Router
from csworkbench.model.event import OperationPlanned
from csworkbench.model.operation import LivePatch
from csworkbench.model.protocols import Journal
from csworkbench.model.scenario import Restart

from .restart_network import RestartNetwork
from .restart_vpc import RestartVpc

OLDEST, SURE = (4, 14), (4, 15)
_INSTEAD = "Restart it with cleanup instead: that brings the new template."


class LivePatchRouters:
    """Live patch of all routers of a network or VPC; CloudStack always patches them, current or not."""

    title = "live patch"

    def __init__(self, inventory: Inventory, restart: RestartNetwork, options: LivePatch) -> None:
        self._inventory, self._restart, self._options = inventory, restart, options

    @classmethod
    async def prepare(cls, client: Client, inventory: Inventory, options: LivePatch) -> Self:
        """Changes nothing. Raises Unsupported when server, role or routers cannot do it."""
        kind = RestartNetwork if inventory.vpc is None else RestartVpc
        restart = await kind.prepare(client, inventory, Restart(cleanup=False, livepatch=True))
        if inventory.vpc is not None and not inventory.tiers:
            raise Unsupported(kind.command, "a VPC without tiers cannot be live patched", hint=_INSTEAD)
        running = [router for router in inventory.routers if router.state == "Running"]
        if inventory.routers and not running:
            raise Unsupported(kind.command, "no router runs, and only running ones are patched", hint=_INSTEAD)
        for router in running:
            template = release(router.version)
            if template is not None and template < OLDEST:
                text = f"{_name(router)} runs template {one_line(router.version, 20)}; live patch needs 4.15 or later"
                raise Unsupported(kind.command, text, hint=_INSTEAD)
        return cls(inventory, restart, options)

    def plan(self) -> OperationPlanned:
        """What confirmation is asked for."""
        inventory = self._inventory
        return OperationPlanned(
            title=f"live patch {one_line(inventory.name, 80)}",
            target=target(inventory),
            consequence=" ".join([*_needed(inventory), *_effects(inventory), *self._forced()]),
            calls=(self._restart.change.words,),
        )

    def _forced(self) -> list[str]:
        if not self._options.forced:
            return []
        return ["`forced` changes nothing here: CloudStack patches routers whatever scripts they have."]

    async def run(self, journal: Journal) -> None:
        """Patch, follow the job, write its events. Raises StepFailed; success alone proves nothing."""
        await self._restart.run(journal)

    def verify(self, before: Inventory, after: Inventory) -> Verified:
        """Whether the scripts in the routers are others now."""
        return verify_live_patch(before, after)


def _needed(inventory: Inventory) -> list[str]:
    """The state of these routers: what would change."""
    said = []
    old = [r for r in inventory.routers if outdated(r, inventory.server_version)]
    current = [r for r in inventory.routers if outdated(r, inventory.server_version) is False]
    if old:
        versions = ", ".join(f"{_name(r)} has {one_line(r.software_version or r.version, 30)}" for r in old)
        said.append(f"{versions}; the server has {one_line(inventory.server_version, 30) or 'a hidden version'}.")
    elif current:
        said.append(
            f"{' and '.join(map(_name, current))} {'have' if len(current) > 1 else 'has'} the server's version already:"
            " a patch changes nothing there, but restarts the services all the same."
        )
    skipped = [r for r in inventory.routers if r.state != "Running"]
    if skipped:
        said.append(f"CloudStack skips {', '.join(map(_name, skipped))}: not Running.")
    if any((of := release(r.version)) is not None and OLDEST <= of < SURE for r in inventory.routers):
        said.append("Templates of 4.14 can be patched, but VPNs on them may need a restart of the router.")
    return said


def _effects(inventory: Inventory) -> list[str]:
    names = " and ".join(_name(r) for r in inventory.routers if r.state == "Running") or "The router"
    said = [
        f"New scripts are copied into {names} while it forwards; established connections through it pass.",
        "haproxy and the web server are restarted: balanced connections break, and load balancers are gone until all "
        "rules have been applied again; metadata pauses for about a second.",
    ]
    if inventory.redundant or len(inventory.routers) > 1:
        said.append("From 4.18.1 on keepalived is restarted too, which can move the primary.")
    else:
        said.append("dnsmasq is restarted: DNS and DHCP pause for about a second.")
    said.append("New outgoing connections can fail for a moment while the rules are applied.")
    if inventory.vpc is None and inventory.network.vpc_id:
        said.append("This is a tier: all routers of its VPC are patched.")
    if len(inventory.tiers) > 1:
        said.append(
            f"All of this happens {len(inventory.tiers)} times, once for each of {count(inventory.tiers, 'tier')}."
        )
    return said


def _name(router: Router) -> str:
    return one_line(router.name, 40)
