# SPDX-License-Identifier: Apache-2.0
"""What faults do to ports, processes and frames without root."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.lab import ordinary_user
from tests.lab import test_faults_isolated as isolated
from tests.lab.fault_support import fault, owners
from tests.lab.support import running_cloud
from tests.lab.test_faults_redundant import GATEWAY, until

pytestmark = [pytest.mark.lab, pytest.mark.slow]


@pytest.mark.parametrize("topology", ["isolated", "redundant"])
def test_faults_as_an_ordinary_user(topology: str) -> None:
    home = Path(tempfile.mkdtemp(prefix="lab-user-"))  # pytest's own directories are closed to others
    try:
        os.chown(home, *ordinary_user.identity())
        options = ("--vms", "3", "--scale", "0", "--topology", topology)
        with running_cloud(home / "lab", *options, prefix=ordinary_user.lab_prefix(home)) as cloud:
            if topology == "isolated":
                isolated.test_a_router_that_hangs_keeps_its_carrier_and_passes_nothing(cloud)
                isolated.test_a_frozen_router_forwards_and_serves_nobody(cloud)
                isolated.test_a_tenant_reboots_with_its_address_and_its_keys(cloud)
                isolated.test_a_new_router_lacks_one_thing_until_the_next_one(cloud, "password-server-dead")
            else:
                with fault(cloud, "both-primary"), fault(cloud, "no-garp"):
                    until(lambda: len(owners(cloud, "vm01", GATEWAY)) == 2, "one owner")
                until(lambda: len(owners(cloud, "vm01", GATEWAY)) == 1, "two owners")
    finally:
        shutil.rmtree(home)
