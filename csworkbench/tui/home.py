# SPDX-License-Identifier: Apache-2.0
"""Where the workbench begins: the clouds to choose from, and what makes one of them ready to be looked at."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from .cloud import CloudSource
from .plan import OpenRun, Planner

Progress = Callable[[str], None]


class HomeError(Exception):
    """What was asked for did not work; one line for people: what is wrong, what to do."""


@dataclass(frozen=True, slots=True)
class CloudChoice:
    """A cloud to choose. `source` says where it is written down; `id` is what `Home.open` takes."""

    id: str
    name: str
    source: str
    endpoint: str = ""
    read_only: bool = False
    starts: bool = False
    """Choosing it starts a test cloud first."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A new cloud as a person fills it in."""

    name: str = ""
    endpoint: str = ""
    key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """What a connection test came to: `what` is wrong (or answers), and what to do next."""

    good: bool
    what: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A cloud that can be looked at and planned on."""

    source: CloudSource
    planner: Planner
    read_only: bool = False


class Home(Protocol):
    """Composed by the command line, which knows configuration, API and test cloud."""

    async def clouds(self) -> tuple[CloudChoice, ...]:
        """All there is to choose from, the configured ones first. Raises HomeError for a broken configuration."""
        ...

    def first(self) -> str:
        """The id of the cloud to open at once; empty when a person has to choose. Raises HomeError."""
        ...

    def open(self, cloud: str) -> Place:
        """The cloud of that id. Raises HomeError."""
        ...

    async def start_test_cloud(self, cloud: str, progress: Progress) -> str:
        """Start it and give the id of what is up then. Raises HomeError."""
        ...

    async def test(self, cloud: str) -> Tried:
        """Ask a cloud that is there."""
        ...

    async def test_new(self, profile: Profile) -> Tried:
        """Ask with what was filled in; nothing is kept."""
        ...

    def keep(self, profile: Profile) -> str:
        """Write a new cloud into the configuration; its id. Raises HomeError."""
        ...

    def live(self) -> OpenRun | None:
        """The newest run that goes on, or None."""
        ...
