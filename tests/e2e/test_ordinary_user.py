# SPDX-License-Identifier: Apache-2.0
"""The whole demo as somebody who is not root: cloud, probes with raw sockets, restart, result; nothing is left."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.support import processes_of
from tests.lab import ordinary_user

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


@pytest.fixture
def home() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="csw-user-"))  # pytest's own directories are closed to others
    os.chown(path, *ordinary_user.identity())
    yield path
    shutil.rmtree(path)


def test_the_demo_needs_no_root(home: Path) -> None:
    words = ordinary_user.lab_prefix(home, words=("-m", "csworkbench"))
    done = subprocess.run(
        [*words, "demo", "--plain", "--vms", "3"], capture_output=True, text=True, timeout=200, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "verdict: restarted" in done.stdout
    assert "0 missing records" in done.stdout
    for service in ("egress", "gateway ARP", "ingress"):
        assert any(line.startswith(f"{service} ") for line in done.stdout.splitlines()), done.stdout
    assert "left out" not in done.stdout
    assert processes_of(home) == []
