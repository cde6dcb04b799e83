# SPDX-License-Identifier: Apache-2.0
"""What the scenario says about targets, completed by the test cloud, which knows its own."""

from csworkbench.model.lane import Service
from csworkbench.model.scenario import Scenario
from csworkbench.probing.derive import Targets

from .lab_cloud import LabCloud


def targets_of(scenario: Scenario, lab: LabCloud | None) -> Targets:
    """The targets of a run beside `egress_target`."""
    outside = scenario.vantages.outside
    # In the test cloud what tenants ping is the outside host itself.
    own = lab.egress_target if lab is not None and outside is not None and not outside.exec else ""
    return Targets(
        egress6=scenario.egress_target6 or (lab.egress_target6 if lab is not None else ""),
        outside=(outside.address if outside is not None else "") or own,
        outside_port=outside.port if outside is not None else 0,
        outside_control=outside.control if outside is not None else "",
        dns_name=scenario.dns_name,
        services=None if isinstance(scenario.lanes, str) else frozenset(Service(name) for name in scenario.lanes),
    )
