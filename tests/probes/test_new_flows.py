# SPDX-License-Identifier: Apache-2.0
"""A fresh flow per sample through source NAT: the router has to find each flow an id that is free."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from .net import FAR, Net, environment, lane, make_bundle

pytestmark = pytest.mark.lab

SELF_LATE = 16
LANES, EVERY_MS, SECONDS = 20, 2, 5.0
NAT = f"""
table ip nat {{
  chain out {{
    type nat hook output priority -100
    ip daddr 10.9.0.100-10.9.0.{100 + LANES - 1} dnat to {FAR}
  }}
  chain post {{
    type nat hook postrouting priority 100
  }}
}}
"""


@pytest.mark.slow
@pytest.mark.timed
def test_samples_that_share_one_nat_address_are_not_lost_to_each_other(net: Net) -> None:
    """Three quarters of all ids in use: in long rows, NAT's search finds no free one for a flow whose own is taken.

    Twenty targets that are one host stand for twenty vantages behind one router: flows that differ before NAT only.
    What NAT drops here is an error of the own host, as near itself is the router.
    """
    net.nft("near", NAT)
    lanes = [
        lane(number, "icmp", f"10.9.0.{100 + number}", every_ms=EVERY_MS, tmax_ms=500, offset_ns=number * 100_000)
        for number in range(LANES)
    ]
    spool = net.probe(lanes, SECONDS).result()
    said = Counter((r.outcome, r.reason) for number in range(LANES) for r in spool.lane(number))
    del said[2, SELF_LATE]
    assert said[0, 0] > 0.75 * LANES * SECONDS * 1000 / EVERY_MS
    assert list(said) == [(0, 0)]


SHORT_QUOTE = """
import struct
from csw_probe.echo import Flow
from csw_probe.icmp import IcmpProber
from csw_probe.packets import address_number
sent = []
prober = IcmpProber.__new__(IcmpProber)
flow = Flow()
flow.target, flow.address, flow.new, flow.base_id = address_number("10.9.0.2"), ("10.9.0.2", 0), True, 65_000
flow.buffer, flow.base_sum, flow.newest = bytearray(64), 0, [0]
prober._flows, prober._token = {7: flow}, bytes(8)
prober._sendto = lambda buffer, address: sent.append(bytes(buffer[:8]))
for seq in range(70_000):
    prober.send(7, seq, 0)
    quote = b"\\x45" + bytes(15) + flow.target.to_bytes(4, "big") + b"\\x08" + sent[-1][1:]
    assert prober._quoted(quote) == (7, seq), seq
assert len({head[4:6] for head in sent}) == 0xFF00
"""


def test_an_error_that_quotes_eight_bytes_names_its_sample(tmp_path: Path) -> None:
    """Each id is used once before one comes again, and leads back to the sample."""
    env = environment(make_bundle(tmp_path))
    subprocess.run([sys.executable, "-c", SHORT_QUOTE], env=env, check=True)
