# SPDX-License-Identifier: Apache-2.0
"""What a run's history tells the one who puts it together again."""

from collections.abc import Callable
from dataclasses import dataclass

from csworkbench.cloudstack.known import KnownCall, known_calls
from csworkbench.model.cloud import Inventory, Network
from csworkbench.model.state import RunState

NOTHING = Inventory("", Network("", "", ""))


@dataclass(frozen=True, slots=True)
class Past:
    """`before` is the target as it was first seen, `with_evidence` as it was just before the change.

    `known` are the changes that were sent. `just_end`: nobody wants the run any more.
    """

    before: Inventory
    with_evidence: Inventory
    known: list[KnownCall]
    endpoint: str
    own_lab: bool
    clock_ns: Callable[[], int]
    just_end: bool

    @property
    def sent(self) -> bool:
        """Whether the operation may have been sent already."""
        return bool(self.known)


def past_of(state: RunState, clock_ns: Callable[[], int], *, just_end: bool) -> Past | None:
    """None when the run was gone before it had seen its target, and is to be begun."""
    if state.before is None or state.cloud is None:
        return Past(NOTHING, NOTHING, [], "", own_lab=True, clock_ns=clock_ns, just_end=True) if just_end else None
    return Past(
        state.before, state.ready or state.before, known_calls(state), state.cloud.endpoint, state.cloud.own, clock_ns,
        just_end,
    )  # fmt: skip
