# SPDX-License-Identifier: Apache-2.0
"""What a person may say to a campaign, and whether it is possible now."""

from csworkbench.model import operation as model
from csworkbench.model.operation import FITTING, Operation, Restart

from . import record as rec
from .state import UNDECIDED, CampaignState, Status, TargetState

COMMANDS = ("pause", "go-on", "skip", "retry", "stop")
_NAMED = {
    "restart": Operation(restart=Restart(cleanup=True)),
    "live_patch": Operation(live_patch=model.LivePatch()),
    "reboot_router": Operation(reboot_router=model.RebootRouter()),
    "stop_start_router": Operation(stop_start_router=model.StopStartRouter()),
    "destroy_router": Operation(destroy_router=model.DestroyRouter()),
    "reboot_systemvm": Operation(reboot_systemvm=model.RebootSystemVm()),
    "destroy_systemvm": Operation(destroy_systemvm=model.DestroySystemVm()),
}
OPERATIONS = tuple(_NAMED)
"""The operations that a retry may name; a restart is one with cleanup."""


class Refused(Exception):
    """That cannot be done now; the message says why and what can."""


def entry_for(
    state: CampaignState, do: str, *, who: str, target: str = "", operation: str = "", why: str = ""
) -> rec.Body:
    """The journal's entry for a command. Raises Refused."""
    match do:
        case "pause":
            if state.paused is not None:
                raise Refused("it is paused already; `go-on` ends that")
            return rec.Paused(who, why)
        case "stop":
            return rec.Stopped(who, why or "by a person")
        case "go-on":
            return rec.WentOn(who, why)
        case "skip":
            found = _one(state, target)
            if found.status is Status.SKIPPED:
                raise Refused(f"{found.target.name} is skipped already")
            return rec.Skipped(who, found.target.id, why)
        case "retry":
            return _retried(_one(state, target), who, operation, why)
        case _:
            raise Refused(f"unknown command {do[:40]!r}; there are {', '.join(COMMANDS)}")


def _one(state: CampaignState, text: str) -> TargetState:
    found = state.find(text)
    if not found:
        raise Refused(f"no target is called {text[:80]!r}; `upgrade status --all` lists them")
    if len(found) > 1:
        raise Refused(
            f"{len(found)} targets are called {text[:80]!r}; name one by its id, such as {found[0].target.id}"
        )
    one = found[0]
    if one.status not in UNDECIDED:
        raise Refused(f"{one.target.name} is {one.status}: its operation cannot be recalled or repeated")
    return one


def _retried(target: TargetState, who: str, operation: str, why: str) -> rec.Retried:
    if target.status is Status.WAITING and not operation:
        raise Refused(f"{target.target.name} waits already; `--operation` gives it another operation")
    chosen = _NAMED.get(operation)
    if operation and chosen is None:
        raise Refused(f"unknown operation {operation[:40]!r}; there are {', '.join(OPERATIONS)}")
    if chosen is not None and target.target.kind not in FITTING[chosen.names[0]]:
        raise Refused(f"{chosen.title} cannot be done to a {target.target.kind}")
    return rec.Retried(who, target.target.id, why, chosen)
