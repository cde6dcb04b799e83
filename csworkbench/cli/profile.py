# SPDX-License-Identifier: Apache-2.0
"""A cloud's profile and a client for it: the one place where a cloud's name becomes a connection."""

import os
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from csworkbench.cloudstack import Client, CloudStackError, Credentials, Login, Surroundings
from csworkbench.cloudstack.errors import BadParameter, BadTarget, ReadOnly, Unsupported
from csworkbench.cloudstack.known import KnownCall
from csworkbench.cloudstack.slots import slots_from
from csworkbench.config import ConfigError
from csworkbench.config.clouds import Cloud, cloudmonkey_file, config_file, find_cloud
from csworkbench.model.event import Body
from csworkbench.model.protocols import Journal
from csworkbench.probing.connect import Dial, dial_tcp, dial_through

from .common import read_only_asked
from .lab_cloud import LabCloud, running_lab
from .second_factor import ask_code, code_from_environment

LAB = "lab"
NO_LAB = "cloud `lab`: no test cloud is up: start one with `csworkbench lab up`, or name another cloud"


class Unrecorded:
    """A journal for what is no run."""

    def write(self, *bodies: Body) -> None:
        """Keeps nothing."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A cloud, and the test cloud behind it when it is that one."""

    cloud: Cloud
    lab: LabCloud | None = None

    @property
    def connect(self) -> Dial:
        """TCP to addresses of the cloud; those of the test cloud exist only inside it."""
        return dial_through(self.lab.connect_socket) if self.lab is not None else dial_tcp

    @property
    def storage_verify(self) -> bool | ssl.SSLContext:
        """How to check the secondary storage VM's certificate: the test cloud's signs its own, and is this machine."""
        return self.cloud.verify() if self.lab is None else False


async def profile_of(name: str) -> Profile:
    """The profile of that name; `lab` is the test cloud that is up. Raises ConfigError."""
    if name != LAB:
        return Profile(find_cloud(name, os.environ, config_file(), cloudmonkey_file()))
    lab = await running_lab()
    if lab is None:
        raise ConfigError(NO_LAB)
    return lab_profile(lab)


def lab_profile(lab: LabCloud) -> Profile:
    """The profile of a test cloud."""
    return Profile(Cloud(LAB, lab.endpoint, lab.key, lab.secret, ca_file=lab.ca_file), lab)


def exit_code_of(error: ConfigError | CloudStackError) -> int:
    """2 for what was asked wrongly or may not be done here, else 1."""
    if isinstance(error, BadParameter | Unsupported):
        return 1 if error.http_status else 2  # said by the server, or by us before anything was sent
    return 2 if isinstance(error, ConfigError | BadTarget | ReadOnly) else 1


@asynccontextmanager
async def open_client(
    cloud: Cloud,
    journal: Journal | None = None,
    around: Surroundings | None = None,
    *,
    known: Iterable[KnownCall] = (),
    may_ask: bool = True,
) -> AsyncIterator[Client]:
    """A client for that cloud; without a journal its calls are not kept. Raises ConfigError.

    `around`: clock, limits and rate, the certificate's check is the cloud's. `known`: see Client. `may_ask`: the
    terminal is free to ask for the code of a second factor.
    """
    try:
        credentials = _credentials(cloud, may_ask=may_ask)
    except ValueError as error:
        raise ConfigError(f"cloud {cloud.name!r}: {error}") from None
    surroundings = replace(around or Surroundings(), verify=cloud.verify(), slots=slots_from(os.environ))
    async with Client(
        credentials,
        journal=journal or Unrecorded(),
        around=surroundings,
        read_only=cloud.read_only or read_only_asked(),
        known=known,
    ) as client:
        yield client


def _credentials(cloud: Cloud, *, may_ask: bool) -> Credentials | Login:
    if cloud.key or not cloud.username:
        return Credentials(cloud.endpoint, cloud.key, cloud.secret)
    code = ask_code if may_ask else code_from_environment
    return Login(cloud.endpoint, cloud.username, cloud.password, cloud.domain, code)
