# SPDX-License-Identifier: Apache-2.0
"""The documentation names what the code has: columns, scenario keys, commands."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from csworkbench.cli import COMMANDS, HIDDEN
from csworkbench.config.clouds import KEYS as CLOUD_KEYS
from csworkbench.config.experiment_file import KEYS
from csworkbench.lab.fleet import Group
from csworkbench.model import scenario
from csworkbench.results import comparison_tables, tables

ROOT = Path(__file__).resolve().parents[2]


def words(name: str) -> set[str]:
    """Everything that the page sets in code type."""
    text = re.sub(r"^```.*?^```", "", (ROOT / name).read_text(), flags=re.M | re.S)
    return {word for code in re.findall(r"`([^`]+)`", text) for word in re.findall(r"[A-Za-z_][A-Za-z_0-9]*", code)}


@pytest.mark.parametrize(
    "columns", [tables.SAMPLES, tables.OUTAGES, tables.EVENTS, tables.SUMMARY, comparison_tables.COMPARISON]
)
def test_every_column_is_documented(columns: tuple[str, ...]) -> None:
    assert set(columns) - words("docs/exports.md") == set()


@pytest.mark.parametrize(
    "cls",
    [
        scenario.Scenario,
        scenario.LabOptions,
        scenario.Tenants,
        scenario.Management,
        scenario.Outside,
        scenario.Phases,
        scenario.Intervals,
    ],
)
def test_every_scenario_key_is_documented(cls: type) -> None:
    names = {field.name for field in fields(cls)}
    assert names - words("docs/scenario.md") == set()


def test_every_key_of_a_cloud_is_documented() -> None:
    assert set(CLOUD_KEYS) - words("docs/scenario.md") == set()


def test_every_key_of_an_experiment_is_documented() -> None:
    assert set(KEYS) - words("docs/experiment.md") == set()


def test_every_key_of_a_fleet_is_documented() -> None:
    assert {field.name for field in fields(Group)} - words("docs/test-cloud.md") == set()


def test_every_command_is_in_the_readme() -> None:
    assert set(COMMANDS) - set(HIDDEN) - words("README.md") == set()


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 100
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("folder", ["csworkbench", "probes", "tests"])
def test_every_source_file_names_its_licence(folder: str) -> None:
    licence = "GPL-2.0-only" if folder == "probes" else "Apache-2.0"
    for path in (ROOT / folder).rglob("*.py"):
        first = path.read_text().split("\n", 1)[0]
        allowed = (licence,) if folder != "tests" else ("Apache-2.0", "GPL-2.0-only")
        assert first in [f"# SPDX-License-Identifier: {name}" for name in allowed], path
