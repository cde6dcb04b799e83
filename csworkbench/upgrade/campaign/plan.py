# SPDX-License-Identifier: Apache-2.0
"""What a campaign is to do. The YAML file has these very keys, beside those of a scenario (docs/campaign.md)."""

from dataclasses import dataclass, field
from enum import StrEnum

from csworkbench.model.operation import Operation
from csworkbench.model.scenario import Scenario

from .window import Window as Window  # noqa: PLC0414 - the plan offers it

REST = "rest"
NEEDS = ("template", "scripts", "unknown", "current")
KINDS = ("network", "vpc", "systemvm")
MOST_AT_ONCE = 200
CALLS_PER_SECOND = 10
WaveSize = int | str
"""A number of targets, a share of all of them such as `25%`, or `rest`."""


class Unmeasured(StrEnum):
    """What becomes of a network that has no tenant to measure from."""

    SKIP = "skip"
    OUTSIDE = "outside"  # operated, measured from outside alone


@dataclass(frozen=True, slots=True)
class Selection:
    """Which networks, VPCs and system VMs. Each list narrows; an empty one does not. Names may have `*` and `?`.

    `listed` is what `file` names, one name or id a line; with it, only these.
    """

    needs: tuple[str, ...] = ("template", "scripts")
    kinds: tuple[str, ...] = ("network", "vpc")
    zones: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    file: str = ""
    listed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Canary:
    """The first wave, alone: `size` targets, or those of these names. `soak` seconds pass after it.

    `confirm`: a person looks at it and says `go-on`.
    """

    size: int = 1
    names: tuple[str, ...] = ()
    soak: float = 0.0
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class Caps:
    """How many are operated at the same time, in all and within one; 0: as many as `total`."""

    total: int = 4
    zone: int = 0
    pod: int = 0
    host: int = 0
    account: int = 0


@dataclass(frozen=True, slots=True)
class StopRule:
    """After how many of each nothing more is started; 0: never."""

    over_budget: int = 1
    failed: int = 1
    unknown: int = 1


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """A campaign as its author wrote it. `scenario` is what all runs have in common, its budget included.

    `operation` None: for each target what its need asks for. `fallback`: what is tried when that failed. `retries`:
    how often the same is tried again before. `soak` seconds pass between two waves.
    """

    name: str
    scenario: Scenario
    select: Selection = field(default_factory=Selection)
    canary: Canary = field(default_factory=Canary)
    waves: tuple[WaveSize, ...] = (REST,)
    soak: float = 0.0
    caps: Caps = field(default_factory=Caps)
    window: Window | None = None
    stop: StopRule = field(default_factory=StopRule)
    operation: Operation | None = None
    fallback: Operation | None = None
    retries: int = 0
    without_vantages: Unmeasured = Unmeasured.SKIP
    calls_per_second: int = CALLS_PER_SECOND

    @property
    def cloud(self) -> str:
        """The cloud's name."""
        return self.scenario.cloud

    @property
    def budget(self) -> dict[str, float]:
        """Seconds of downtime per service."""
        return self.scenario.budget


def wave_sizes(waves: tuple[WaveSize, ...], total: int) -> list[int]:
    """The sizes for so many targets; the last one is repeated until all are in one."""
    sizes: list[int] = []
    left = total
    while left > 0:
        size = waves[min(len(sizes), len(waves) - 1)] if waves else REST
        number = max(1, min(left, _number(size, total)))
        sizes.append(number)
        left -= number
    return sizes


def _number(size: WaveSize, total: int) -> int:
    if isinstance(size, int):
        return size
    return total if size == REST else -(-total * int(size.removesuffix("%")) // 100)
