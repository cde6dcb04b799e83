# SPDX-License-Identifier: Apache-2.0
"""S11 and S2 on real packets: what a run says of a gateway with another MAC, against the test cloud's truth."""

from pathlib import Path

import pytest

from tests.bench.bench_arp import Bench, Check, check

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(300)]


def test_router_gap_arp_tail_and_packets_that_waited(tmp_path: Path) -> None:
    to = Check()
    check(*Bench(tmp_path).run([2000]), to)
    assert to.good
