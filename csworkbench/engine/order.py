# SPDX-License-Identifier: Apache-2.0
"""Who is started first and stopped last, and what must be there before anything is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from csworkbench.model.event import LaneLeftOut
from csworkbench.model.lane import Lane, Prober
from csworkbench.probing.derive import Targets

from .prepared import NotPrepared

PORTS = range(20_000, 30_000)  # below the kernel's ephemeral ones


class Named(Protocol):
    """Anything with the name of a vantage."""

    @property
    def name(self) -> str:
        """The vantage's."""
        ...


N = TypeVar("N", bound=Named)


def with_port(targets: Targets, run_token: str) -> Targets:
    """With a port to listen on where none was given: two runs may use one outside host at the same time."""
    return (
        targets if targets.outside_port else replace(targets, outside_port=PORTS[int(run_token[:8], 16) % len(PORTS)])
    )


def listening(lanes: Iterable[Lane]) -> frozenset[str]:
    """The vantages that answer others."""
    return frozenset(lane.vantage for lane in lanes if lane.prober is Prober.LISTEN)


def in_waves(named: Sequence[N], listening: frozenset[str]) -> list[list[N]]:
    """Those that answer, then those that ask; stopped the other way round, or the end would show as an outage."""
    waves = [[n for n in named if n.name in listening], [n for n in named if n.name not in listening]]
    return [wave for wave in waves if wave]


def require_budgeted(budget: Mapping[str, float], lanes: Iterable[Lane], left_out: Iterable[LaneLeftOut]) -> None:
    """A budget that nothing measures would always be kept. Raises NotPrepared, before anything is operated."""
    measured = {str(lane.service) for lane in lanes if lane.headline}
    for name in budget:
        if name not in measured:
            why = next((f": {left.what}: {left.why}" for left in left_out if str(left.service) == name), "")
            raise NotPrepared(
                f"not measurable: {name} has a budget, but this network and its vantages give no lane{why}", 4
            )
