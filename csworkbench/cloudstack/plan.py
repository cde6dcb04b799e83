# SPDX-License-Identifier: Apache-2.0
"""What a restart will do, in words for the person who has to confirm it (cloudstack-api.md 4.1 to 4.3, 8). Pure."""

from dataclasses import dataclass

from csworkbench.model.cloud import Inventory
from csworkbench.model.event import OperationPlanned
from csworkbench.model.scenario import Restart

from .client import Value, written
from .discovery import Capabilities
from .text import one_line
from .wording import target

COMMAND = "restartNetwork"


@dataclass(frozen=True, slots=True)
class ServerManner:
    """How this server restarts networks. `rolling` is None when its version and its settings do not tell."""

    rolling: bool | None
    vpc_tier: bool = False


def manner(capabilities: Capabilities, rolling_setting: bool | None, vpc_tier: bool) -> ServerManner:
    """New beside old came with 4.11.1, and with it the parameter makeredundant; 4.11.2 added a setting for it."""
    rolling = capabilities.at_least(4, 11, 1)
    if rolling is None:
        rolling = capabilities.has_param(COMMAND, "makeredundant")
    if rolling and rolling_setting is False:
        rolling = False
    return ServerManner(rolling, vpc_tier)


def restart_params(
    capabilities: Capabilities, target_id: str, restart: Restart, command: str = COMMAND
) -> dict[str, Value]:
    """Every flag that this server knows, explicitly: their defaults changed between versions (3.7)."""
    params: dict[str, Value] = {"id": target_id, "cleanup": restart.cleanup}
    for name, value in (("makeredundant", restart.makeredundant), ("livepatch", restart.livepatch)):
        if capabilities.has_param(command, name):
            params[name] = value
    return params


def planned(
    inventory: Inventory, restart: Restart, params: dict[str, Value], how: ServerManner, command: str = COMMAND
) -> OperationPlanned:
    """Title, target, consequence and the exact call."""
    words = " ".join(f"{name}={value}" for name, value in written(params).items())
    name = one_line(inventory.name, 80)
    kind = "network" if command == COMMAND else "VPC"
    flags = "".join(f" {flag}=true" for flag in ("makeredundant", "livepatch") if getattr(restart, flag))
    return OperationPlanned(
        title=f"restart {kind} {name} cleanup={str(restart.cleanup).lower()}{flags}",
        target=target(inventory),
        consequence=" ".join([*_obstacles(inventory, restart, how), _consequence(inventory, restart, how)]),
        calls=(f"{command} {words}",),
        destructive=restart.makeredundant and not inventory.redundant,
        target_name=inventory.name if restart.makeredundant and not inventory.redundant else "",
    )


def _obstacles(inventory: Inventory, restart: Restart, how: ServerManner) -> list[str]:
    found = []
    if inventory.vpc is None and inventory.network.state not in ("Implemented", "Setup", ""):
        state = one_line(inventory.network.state, 20)
        found.append(f"CloudStack will refuse: the network is {state}, and only Implemented or Setup can be restarted.")
    if how.vpc_tier and restart.cleanup:
        found.append("CloudStack (4.16.1 and later) will refuse cleanup on a VPC tier: restart the VPC instead.")
    outdated = [one_line(r.name, 40) for r in inventory.routers if r.requires_upgrade]
    if outdated and not (restart.cleanup or restart.makeredundant or restart.livepatch):
        found.append(f"{', '.join(outdated)} requires an upgrade: CloudStack will refuse this; use cleanup=true.")
    return found


def _consequence(inventory: Inventory, restart: Restart, how: ServerManner) -> str:  # noqa: PLR0911 - one per case
    running = [one_line(r.name, 40) for r in inventory.routers if r.state == "Running"]
    old = " and ".join(one_line(r.name, 40) for r in inventory.routers)
    if restart.makeredundant and not inventory.redundant:
        pair = (
            "It gets a redundant pair of routers, for good: no restart makes it single again. CloudStack restarts it "
            "with cleanup for that."
        )
        return f"{pair} {_consequence(inventory, Restart(cleanup=True), how)}"
    if restart.livepatch:
        return (
            f"New scripts are copied into {' and '.join(running) or 'no router: none runs'}, and haproxy, dnsmasq and "
            f"the web server are restarted. {_without_cleanup(running)}"
        )
    if not restart.cleanup:
        return _without_cleanup(running)
    if not old:
        return "No router is known: CloudStack builds one and applies all rules to it."
    lost = "Established connections through it are lost, and the guest gateway gets a new MAC address."
    if how.rolling is False or not running:
        return f"{old} is destroyed first and a new router is built afterwards: no service until it is up. {lost}"
    if inventory.redundant or len(running) > 1:
        return (
            "The backup router is replaced first; after 10 s the primary is stopped hard and the new router takes over "
            "by VRRP, a gap of about 3 s. Then a second new router is built. Established connections should survive."
        )
    beside = (
        f"A new router is built beside {old} and takes over its addresses before all its rules are in place; "
        f"then {old} is stopped and destroyed. {lost} New ones fail for a while, in each direction at its own time."
    )
    if how.rolling is None:
        return f"{beside} The server does not say whether it can do that: else {old} is destroyed first."
    return beside


def _without_cleanup(running: list[str]) -> str:
    if not running:
        return "No router runs: CloudStack starts or builds one and applies all rules to it."
    verb = "keep" if len(running) > 1 else "keeps"
    return (
        f"{' and '.join(running)} {verb} running and all rules are applied again. Meanwhile new outgoing connections "
        "can fail for a moment; established ones pass."
    )
