# SPDX-License-Identifier: Apache-2.0
"""The client of one CloudStack management server: signed calls, jobs, events, inventory, operations.

Everything that leaves this package goes to a Journal; all failures are CloudStackError or, from a step, StepFailed.
"""

from .client import Client
from .credentials import Credentials
from .discovery import Capabilities
from .errors import AmbiguousNetwork, BadTarget, CloudStackError, Unauthorized, UnknownNetwork, Unreachable
from .evidence import read_after, with_evidence
from .hypervisors import read_hypervisors
from .inventory import read_inventory, read_routers
from .jobs import JobResult, follow_job
from .login import Login
from .operations import PlannedStep, RestartNetwork, prepare_operation
from .targets import read_again, read_target, refresh
from .transport import Surroundings
from .verify import Verified, roles_settled

__all__ = [
    "AmbiguousNetwork",
    "BadTarget",
    "Capabilities",
    "Client",
    "CloudStackError",
    "Credentials",
    "JobResult",
    "Login",
    "PlannedStep",
    "RestartNetwork",
    "Surroundings",
    "Unauthorized",
    "UnknownNetwork",
    "Unreachable",
    "Verified",
    "follow_job",
    "prepare_operation",
    "read_after",
    "read_again",
    "read_hypervisors",
    "read_inventory",
    "read_routers",
    "read_target",
    "refresh",
    "roles_settled",
    "with_evidence",
]
