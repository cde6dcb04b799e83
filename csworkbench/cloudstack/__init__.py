# SPDX-License-Identifier: Apache-2.0
"""The client of one CloudStack management server: signed calls, jobs, events, inventory, operations.

Everything that leaves this package goes to a Journal; all failures are CloudStackError or, from a step, StepFailed.
"""

from .client import Client
from .credentials import Credentials
from .discovery import Capabilities
from .errors import AmbiguousNetwork, BadTarget, CloudStackError, Unauthorized, UnknownNetwork, Unreachable
from .inventory import read_inventory, read_routers
from .jobs import JobResult, follow_job
from .operations import RestartNetwork
from .transport import Surroundings
from .verify import Verified

__all__ = [
    "AmbiguousNetwork",
    "BadTarget",
    "Capabilities",
    "Client",
    "CloudStackError",
    "Credentials",
    "JobResult",
    "RestartNetwork",
    "Surroundings",
    "Unauthorized",
    "UnknownNetwork",
    "Unreachable",
    "Verified",
    "follow_job",
    "read_inventory",
    "read_routers",
]
