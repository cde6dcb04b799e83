# SPDX-License-Identifier: GPL-2.0-only
"""What the echo requests of a lane look like, and those of many lanes at once."""

from __future__ import annotations

import os
import struct

# New flows never use an id of a same-flow lane: they would share its connection-tracking entry.
NEW_IDS = 0xFF00
# One after the other, new flows would make long rows of ids that are in use (30 s each in a router). NAT that finds an
# id taken by another vantage tries 128 in a row from a random one on, then fewer, and drops the packet at last.
ID_STRIDE = 40343  # next to the golden section of NEW_IDS, and prime to it: any so many in a row lie apart
ID_STRIDE_BACK = 9767  # ID_STRIDE * ID_STRIDE_BACK % NEW_IDS is 1
SAME_IDS = range(0xFF00, 0x10000)
MARK = struct.Struct("!8sHHI")  # token, lane, 0 or a burst's word, seq: at the start of the payload
MARK_AT = 8
BALANCE_AT, SEQ_AT = MARK_AT + 10, MARK_AT + 12
patch_head = struct.Struct("!HHH").pack_into  # checksum, id, seq
patch_seq = struct.Struct("!I").pack_into
_patch_16 = struct.Struct("!H").pack_into


class Flow:
    """`newest` holds the seq of the lane's newest sample; flows of one burst share it."""

    __slots__ = ("address", "base_id", "base_sum", "buffer", "new", "newest", "target")


class EchoBurst:
    """Echo requests of many lanes with the same seq; a word beside the lane makes their checksums equal.

    New flows of one burst have the same ids, so no two may go to the same address.
    """

    def __init__(self, open_burst, lanes, flows):
        first = flows[0]
        self._id = first.base_id if first.new else None
        self._high = 0
        packets = []
        for lane, flow in zip(lanes, flows):  # noqa: B905 - Python 3.7 has no strict
            own_id = 0 if first.new else flow.base_id
            balance = -(lane + own_id) % 0xFFFF
            packet = bytearray(flow.buffer)
            patch_head(packet, 2, 0, own_id, 0)
            _patch_16(packet, BALANCE_AT, balance)
            packets.append(packet)
            flow.newest = first.newest
            if first.new:
                flow.base_id = first.base_id
        self._newest, self._sum = first.newest, flow.base_sum + own_id + balance
        self._burst = open_burst(packets, [flow.address[0] for flow in flows])

    def send(self, seq, _sent_ns):
        """[(place, errno)] of those that could not be sent."""
        self._newest[0] = seq
        burst, high, echo_seq = self._burst, seq >> 16, seq & 0xFFFF
        total = self._sum + high + echo_seq
        burst.patch(SEQ_AT + 2, echo_seq)
        if high != self._high:
            burst.patch(SEQ_AT, high)
            self._high = high
        if self._id is not None:
            ident, echo_seq = (self._id + seq * ID_STRIDE) % NEW_IDS, 1
            total += ident
            burst.patch(4, ident)
        burst.patch(2, -(total + echo_seq) % 0xFFFF)
        burst.patch(6, echo_seq)
        return burst.send()


def random_16():
    return int.from_bytes(os.urandom(2), "big")
