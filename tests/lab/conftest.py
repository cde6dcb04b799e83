# SPDX-License-Identifier: Apache-2.0
"""One cloud per module, and the reason when this machine cannot have one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from csworkbench.lab import capability
from csworkbench.lab.hosts import LabError


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs namespaces where there are none; in CI that is a failure."""
    if item.get_closest_marker("lab") is None:
        return
    try:
        capability.require()
    except LabError as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))


@pytest.fixture(scope="session", autouse=True)
def _no_lab_of_the_user() -> Iterator[None]:
    """No test may touch the cloud that a developer has up."""
    before = os.environ.pop("CSWORKBENCH_LAB_DIR", None)
    yield
    if before is not None:
        os.environ["CSWORKBENCH_LAB_DIR"] = before
