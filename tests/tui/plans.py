# SPDX-License-Identifier: Apache-2.0
"""A cloud, a planner and a home made by hand, for the screens before a run."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from csworkbench.model.event import LaneLeftOut, OperationPlanned
from csworkbench.model.lane import Service
from csworkbench.model.operation import LivePatch, Operation
from csworkbench.model.scenario import Phases, Scenario
from csworkbench.tui.cloud import CloudLost, CloudView
from csworkbench.tui.home import CloudChoice, HomeError, Place, Profile, Tried
from csworkbench.tui.plan import OpenRun, PlanError, Progress, Survey, TenantWay
from csworkbench.upgrade import Facts, assess, preflight
from csworkbench.upgrade.choices import Choice
from csworkbench.upgrade.facts import Finding, Level
from tests.upgrade.fleets import OLD_SUM, fleet, router

from .feeds import HandFeed
from .synthetic import Story

CODE = router(8, software_version="4.21.0.0", scripts_version=OLD_SUM)
CALL = "restartNetwork id=net-8 cleanup=false makeredundant=false livepatch=true"
PLANNED = OperationPlanned("live patch net8", "net8 (net-8)", "haproxy is restarted.", (CALL,))
WAYS = (
    TenantWay("vm01", "192.0.2.11:22", "through the router"),
    TenantWay("vm02", "", left_out="no port-forwarding rule leads to its port 22"),
)
SURVEY = Survey(
    "network net8", WAYS, "this host", (("egress", 4), ("ingress", 2)),
    (LaneLeftOut(Service.DNS, "dns", "the network offers no Dns"),),
    (Finding("servers", "management servers", Level.PASS, "1 up", ""),), PLANNED,
)  # fmt: skip
STOP = Finding("jobs", "pending jobs", Level.STOP, "restartNetwork is pending", "wait for them")


def the_view(*vms: object) -> CloudView:
    """A reading of a small cloud."""
    facts = Facts(fleet(*(vms or (CODE,))))  # type: ignore[arg-type]
    return CloudView(facts, assess(facts.fleet), preflight(facts))


@dataclass
class HandGround:
    """Answers with its survey; `refused` by the name of an operation."""

    found: Survey = SURVEY
    logins: dict[str, str] = field(default_factory=lambda: {"vm01": ""})

    def survey(self, scenario: Scenario) -> Survey:
        return self.found if scenario.operation.live_patch else replace(self.found, planned=None)

    async def try_logins(self, scenario: Scenario, progress: Progress) -> dict[str, str]:
        progress("logging in: 1 of 1")
        return self.logins


class HandPlanner:
    """Gives what a test puts into it, and keeps what it was asked."""

    def __init__(self, ground: HandGround | CloudLost | None = None) -> None:
        self.answer = ground or HandGround()
        self.started: list[tuple[Scenario, bool]] = []
        self.saved: list[tuple[str, bool]] = []
        self.refusal = ""  # of start
        self.feed = HandFeed()
        self.feed.give(Story().until_ready())
        self.closed = 0

    def draft(self, choice: Choice, name: str) -> Scenario:
        target = {choice.kind: choice.id}
        return Scenario(f"{choice.title} {name}", operation=choice.operation, phases=Phases(baseline=5), **target)  # type: ignore[arg-type]

    async def ground(self, scenario: Scenario, choices: Sequence[Choice], progress: Progress) -> HandGround:
        progress("listRouters: 1 of 1")
        await asyncio.sleep(0)
        if isinstance(self.answer, CloudLost):
            raise self.answer
        return self.answer

    def checked(self, scenario: Scenario) -> Scenario:
        if scenario.phases.baseline < 1:
            raise PlanError("baseline: 0.5 is not between 1 and 86400")
        return scenario

    def load(self, file: str) -> Scenario:
        if file != "mine.yaml":
            raise PlanError(f"{file}: cannot be read (No such file or directory)")
        return Scenario("from a file", network="net8", operation=Operation(live_patch=LivePatch()))

    def save(self, scenario: Scenario, file: str, *, overwrite: bool) -> str:
        if file == "there.yaml":
            raise PlanError("there.yaml is there already: choose another name")
        self.saved.append((file, overwrite))
        return file

    async def start(self, scenario: Scenario, *, force: bool) -> OpenRun:
        self.started.append((scenario, force))
        if self.refusal:
            raise PlanError(self.refusal)
        return self.run()

    def run(self) -> OpenRun:
        async def export() -> str:
            return "/runs/x/export"

        async def close() -> None:
            self.closed += 1

        return OpenRun(self.feed, "run-1", export, close)

    def live(self) -> OpenRun | None:
        return None


class HandSource:
    """Reads a cloud as often as it is asked."""

    name = "cloud-1"

    def __init__(self, *found: CloudView | CloudLost) -> None:
        self.found = list(found) or [the_view()]
        self.reads = 0

    async def read(self, progress: Callable[[str], None]) -> CloudView:
        self.reads += 1
        progress("listRouters: 1 of 1")
        await asyncio.sleep(0)
        item = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(item, CloudLost):
            raise item
        return item


class HandHome:
    """Clouds as a test wants them."""

    def __init__(self, *clouds: CloudChoice, first: str = "", read_only: bool = False) -> None:
        self.known = list(clouds)
        self._first, self.read_only = first, read_only
        self.source, self.planner = HandSource(), HandPlanner()
        self.tried = Tried(True, "CloudStack 4.22.0.0 answers")
        self.kept: list[Profile] = []
        self.asked: list[Profile] = []
        self.going: OpenRun | None = None
        self.broken = ""

    async def clouds(self) -> tuple[CloudChoice, ...]:
        if self.broken:
            raise HomeError(self.broken)
        return tuple(self.known)

    def first(self) -> str:
        if self.broken:
            raise HomeError(self.broken)
        return self._first

    def open(self, cloud: str) -> Place:
        return Place(self.source, self.planner, self.read_only)

    async def start_test_cloud(self, cloud: str, progress: Progress) -> str:
        progress("starting a test cloud")
        if cloud == "bad":
            raise HomeError("`csworkbench lab up` did not work: no namespaces; `csworkbench doctor` helps")
        return "lab"

    async def test(self, cloud: str) -> Tried:
        return self.tried

    async def test_new(self, profile: Profile) -> Tried:
        self.asked.append(profile)
        return self.tried

    def keep(self, profile: Profile) -> str:
        if profile.name == "taken":
            raise HomeError("there is a cloud 'taken' already: choose another name")
        self.kept.append(profile)
        return profile.name

    def live(self) -> OpenRun | None:
        return self.going
