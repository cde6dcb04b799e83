# SPDX-License-Identifier: Apache-2.0
"""Rows held against checks."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csworkbench.upgrade.runbook.check import judge, of_release
from csworkbench.upgrade.runbook.model import Check

UP = {"name": "kvm-01", "state": "Up", "version": "4.22.0.0", "requiresupgrade": False, "jobstatus": 0}
DOWN = {"name": "kvm-02", "state": "Down", "version": "4.17.2.0", "requiresupgrade": True, "jobstatus": 1}


@pytest.mark.parametrize(
    ("check", "rows", "wrong"),
    [
        (Check("listHosts", every={"state": ("Up",)}, one_value_of="version", at_least=1), [UP], ""),
        (Check("listHosts", every={"state": ("Up",)}), [UP, DOWN], "state is not Up: kvm-02 Down"),
        (Check("listHosts", every={"state": ("Up", "Down")}), [UP, DOWN], ""),
        (Check("listHosts", every={"state": ("Up",)}, at_least=1), [], "at least 1 expected, 0 found"),
        (Check("listHosts", one_value_of="version"), [UP, DOWN], "version has 2 values: 4.22.0.0 (kvm-01); 4.17.2.0"),
        (Check("listHosts", one_value_of="version"), [{"name": "x"}], "version is not told"),
        (Check("listHosts", every={"version": ("4.22.0.0",)}), [{"name": "x"}], "x not told"),
        (Check("listRouters", none={"requiresupgrade": (True,)}), [UP, DOWN], "requiresupgrade is true: kvm-02"),
        (Check("listRouters", every={"requiresupgrade": (False,)}), [UP], ""),
        (Check("listAsyncJobs", where={"jobstatus": (0,)}, at_most=0), [DOWN], ""),
        (Check("listAsyncJobs", where={"jobstatus": (0,)}, at_most=0), [UP], "at most 0 expected, 1 found: kvm-01"),
        (
            Check("listHosts", release={"version": "4.22"}),
            [UP, DOWN],
            "version is not of release 4.22: kvm-02 4.17.2.0",
        ),
    ],
)
def test_checks(check: Check, rows: list[dict[str, Any]], wrong: str) -> None:
    found = judge(check, rows)
    assert found.good == (not wrong)
    assert wrong in found.text


def test_many_wrong_rows_are_counted() -> None:
    found = judge(Check("listHosts", every={"state": ("Up",)}), [DOWN] * 100)
    assert "and 95 more" in found.text


@pytest.mark.parametrize(
    ("version", "good"),
    [("4.22", True), ("4.22.0.0", True), ("4.22.0.0-SNAPSHOT", True), ("4.220", False), ("", False)],
)
def test_releases(version: str, good: bool) -> None:
    assert of_release(version, "4.22") is good


values = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=2)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy; an example is not
@given(st.lists(st.dictionaries(st.sampled_from(["name", "id", "state", "version"]), values), max_size=8))
def test_any_rows_can_be_judged(rows: list[dict[str, Any]]) -> None:
    check = Check(
        "listHosts", where={"id": ("x", 1)}, every={"state": ("Up",)}, none={"state": (True,)},
        release={"version": "4.22"}, one_value_of="version", at_least=1, at_most=3,
    )  # fmt: skip
    found = judge(check, rows)
    assert all(line.isprintable() for line in found.lines)
    assert found.good == (len(found.lines) == 1)
