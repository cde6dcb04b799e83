# SPDX-License-Identifier: Apache-2.0
"""After an operation that went wrong evidence is collected; it never changes the verdict, and can be left out."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from csworkbench.engine.prepared import Prepare, Prepared, Proof
from csworkbench.engine.verdict import EXAMINED
from csworkbench.model.event import EvidenceKept, Verdict
from csworkbench.model.protocols import Journal
from csworkbench.model.scenario import Scenario

from .support import Cloud, cloud, scenario
from .test_run import csworkbench

__all__ = ["cloud", "scenario"]
pytestmark = pytest.mark.lab
Write = Callable[..., str]
Collect = Callable[[Path, Journal], Awaitable[None]]
NOTHING_NEW = Proof(False, True, ("r-1-VM is as old as before",))


@pytest.fixture
def collecting(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Callable[[Collect], None]:
    """Makes the run's preparation bring a collector of evidence."""

    def use(collect: Collect) -> None:
        prepare_for = cloud.prepare_for

        def with_evidence(what: Scenario, consent: object, *, fresh_lab: bool = False) -> Prepare:
            prepare = prepare_for(what, consent, fresh_lab=fresh_lab)  # type: ignore[arg-type]

            async def prepared(journal: Journal) -> Prepared:
                made = await prepare(journal)
                made.evidence = lambda run_file: collect(run_file, journal)
                return made

            return prepared

        from csworkbench.cli import host

        monkeypatch.setattr(host, "prepare_for", with_evidence)

    return use


async def keeps_a_file_and_breaks(run_file: Path, journal: Journal) -> None:
    journal.write(EvidenceKept("events", f"diagnostics/{run_file.name}", 12, "ab" * 32))
    raise ValueError("unforeseen \x1b[2J")


async def never_ends(_run_file: Path, _journal: Journal) -> None:
    await asyncio.Event().wait()


def test_a_run_that_changed_nothing_names_its_evidence_and_what_broke(
    cloud: Cloud, scenario: Write, collecting: Callable[[Collect], None]
) -> None:
    cloud.proof = NOTHING_NEW
    collecting(keeps_a_file_and_breaks)
    done = csworkbench("run", scenario(), "--json")
    assert done.exit_code == 5
    summary = json.loads(done.stdout)
    assert summary["verdict"] == "changed nothing"
    assert summary["evidence"] == [
        {"what": "events", "path": "diagnostics/run.db", "bytes": 12, "sha256": "ab" * 32, "why": ""},
        {"what": "the rest", "path": None, "bytes": 0, "sha256": None, "why": "ValueError: unforeseen \x1b[2J"},
    ]
    shown = csworkbench("show").stdout
    assert "evidence: events: diagnostics/run.db (12 bytes, sha256 abab" in shown
    assert r"evidence not collected: the rest: ValueError: unforeseen \x1b[2J" in shown


def test_it_can_be_left_out(cloud: Cloud, scenario: Write, collecting: Callable[[Collect], None]) -> None:
    cloud.proof = NOTHING_NEW
    collecting(never_ends)
    left_out = csworkbench("run", scenario(), "--json", "--no-diagnostics")
    assert left_out.exit_code == 5
    assert json.loads(left_out.stdout)["evidence"] == []


@pytest.mark.slow
def test_a_run_that_went_well_collects_nothing(
    cloud: Cloud, scenario: Write, collecting: Callable[[Collect], None]
) -> None:
    collecting(never_ends)
    done = csworkbench("run", scenario(), "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["evidence"] == []


def test_which_verdicts_are_examined() -> None:
    good = {Verdict.MEASURED, Verdict.RESTARTED, Verdict.UPGRADED, Verdict.NOT_MEASURABLE}
    assert set(EXAMINED) == set(Verdict) - good
