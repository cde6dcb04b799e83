# SPDX-License-Identifier: GPL-2.0-only
"""A new UDP flow per sample. Without `path` the target must echo what was said (prober `listen` does); with it any
answer proves the path, and so does the target's own word that nothing listens there.
"""

from __future__ import annotations

import os

from .codes import FLAG_VALUE, NONE, OK
from .datagrams import Datagrams

ASK = b"CSWQ"  # an echo listener answers this with ANSWER, and never an ANSWER: two of them cannot play ping-pong
ANSWER = b"CSWA"
NONCE_BYTES = 16


class UdpProber(Datagrams):
    def __init__(self, lanes, env):
        super().__init__(lanes, env)
        self._path = {lane.lane for lane in lanes if lane.options["path"]}

    def question(self, lane, seq):
        nonce = os.urandom(NONCE_BYTES)
        return ASK + nonce, nonce

    def judge(self, flow, data, sender):
        if flow.asked in data or flow.lane in self._path:
            return (OK, NONE, 0, sender, FLAG_VALUE)
        return None

    def refused(self, flow, detail, value, by_target):
        if by_target and flow.lane in self._path:
            return (OK, NONE, detail, value, FLAG_VALUE)
        return super().refused(flow, detail, value, by_target)


def open_prober(lanes, env):
    return UdpProber(lanes, env)
