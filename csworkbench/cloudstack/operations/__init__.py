# SPDX-License-Identifier: Apache-2.0
"""What can be done to a target, each operation as a step of a run."""

from .choose import prepare_operation
from .planned_step import PlannedStep
from .restart_network import RestartNetwork

__all__ = ["PlannedStep", "RestartNetwork", "prepare_operation"]
