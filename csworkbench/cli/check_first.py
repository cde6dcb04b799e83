# SPDX-License-Identifier: Apache-2.0
"""The preflight of a run: what it says goes into the run, and a stop ends it before anybody is asked."""

from csworkbench.cloudstack import Client, CloudStackError
from csworkbench.engine.prepared import NotPrepared
from csworkbench.model.cloud import Inventory
from csworkbench.model.event import Level as Urgency
from csworkbench.model.event import Notice
from csworkbench.model.protocols import Journal
from csworkbench.model.scenario import Scenario
from csworkbench.results.tables import printable
from csworkbench.upgrade import Level, preflight

from .cloud_access import scenario_facts


async def check_first(
    client: Client, scenario: Scenario, inventory: Inventory, journal: Journal, *, force: bool
) -> None:
    """Run the checks on the scenario's target. Raises NotPrepared (1) for a stop, unless `force`."""
    try:
        facts = await scenario_facts(client, scenario, inventory, lambda *_: None)
    except CloudStackError as error:
        journal.write(Notice(Urgency.WARN, f"no preflight: {error}"))
        return
    stops = []
    for finding in preflight(facts):
        text = printable(f"{finding.title}: {finding.evidence}")
        if finding.level is Level.STOP:
            stops.append(f"{text} ({finding.remedy})")
        if finding.level in (Level.STOP, Level.WARN):
            journal.write(Notice(Urgency.WARN, f"preflight {finding.level}: {text}"))
    if stops and not force:
        raise NotPrepared(f"preflight says stop: {'; '.join(stops)}; --force goes ahead all the same", 1)
