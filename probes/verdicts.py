# SPDX-License-Identifier: GPL-2.0-only
"""The verdicts: each sample gets exactly one, by its answer or when its Tmax has passed, and goes into the spool."""

from __future__ import annotations

from collections import deque
from time import monotonic_ns

from .codes import (
    FAIL,
    FLAG_KERNEL_STAMP,
    KIND_ANNOUNCEMENT,
    KIND_LATE,
    KIND_SAMPLE,
    KIND_SECOND_OWNER,
    SELF_LATE,
    SELF_STOPPED,
    TIMEOUT,
    UNKNOWN,
    UNREACHABLE,
)

LATE_NS = 10_000_000_000  # how long an answer after its verdict is still recorded
CLOCK_JITTER_NS = 1_000_000
STALL_NS = 100_000_000  # not heard of ourselves for this long: this process, or its whole machine, stood still
BLOCK_BYTES = 32 * 1024


class LaneBook:
    """One lane: what it is, how far it is, which of its samples have no verdict."""

    __slots__ = (
        "count", "expired", "expiries", "first_due_ns", "half_ns", "interval_ns", "late", "number", "pending",
        "send", "seq", "tmax_ns",
    )  # fmt: skip


class Verdicts:
    """`open`: how many samples have no verdict. `known_ns`: when we last knew that we ran or, asleep, meant to wake."""

    def __init__(self, spool, known_ns):
        self._spool = spool
        self._record = spool.add
        self._expiries = {}  # Tmax -> (sent_ns, lane, seq), oldest first
        self._late = deque()  # (forget_ns, lane, seq)
        self._stall = (0, 0)
        self.lanes = {}
        self.open = 0
        self.known_ns = known_ns

    def add(self, prober, planned, start_mono_ns, duration_ns):
        lane = LaneBook()
        lane.number = planned.lane
        lane.send = prober.send
        lane.expired = prober.expired
        lane.interval_ns = planned.interval_ns
        lane.half_ns = planned.interval_ns // 2
        lane.tmax_ns = planned.tmax_ns
        lane.first_due_ns = start_mono_ns + planned.offset_ns
        lane.count = max(0, -(-(duration_ns - planned.offset_ns) // planned.interval_ns))  # due before the end
        lane.seq = 0
        lane.pending = {}  # seq -> sent_ns
        lane.late = {}
        lane.expiries = self._expiries.setdefault(planned.tmax_ns, deque())
        self.lanes[lane.number] = lane
        return lane

    @property
    def longest_ns(self):
        return max(self._expiries)

    def awaits_late(self):
        return any(lane.late for lane in self.lanes.values())

    def miss(self, lane, now_ns):
        """All samples of the lane that are overdue by more than half an interval: recorded, never sent in a burst."""
        first = lane.seq
        behind = (now_ns - lane.half_ns - lane.first_due_ns - 1) // lane.interval_ns
        lane.seq = min(max(behind, first) + 1, lane.count)
        for seq in range(first, lane.seq):
            self.write(lane, KIND_SAMPLE, seq, UNKNOWN, SELF_LATE)
            if self._spool.pending() >= BLOCK_BYTES:
                self._spool.flush()

    def answers(self, answers):
        lanes, record = self.lanes, self._record
        for answer in answers:
            kind, number, seq, received_ns, outcome, reason, detail, value, flags = answer
            lane = lanes[number]
            sent_ns = lane.pending.get(seq)
            if kind == KIND_SAMPLE and sent_ns is not None and sent_ns <= received_ns <= sent_ns + lane.tmax_ns:
                del lane.pending[seq]
                self.open -= 1
                due_ns = lane.first_due_ns + seq * lane.interval_ns
                record(number, kind, outcome, reason, flags, detail, seq, due_ns, sent_ns, received_ns, value, 0)
            else:
                self._odd(lane, sent_ns, answer)

    def _odd(self, lane, sent_ns, answer):
        """An answer that is no plain answer in time."""
        kind, _number, seq, received_ns, outcome, reason, detail, value, flags = answer
        if kind == KIND_ANNOUNCEMENT:
            self.write(lane, kind, seq, outcome, reason, detail, 0, received_ns, value, flags)
            return
        if kind == KIND_SECOND_OWNER:
            sent_ns = sent_ns or lane.late.get(seq, 0)
        elif sent_ns is None:
            sent_ns = lane.late.pop(seq, None) if reason != UNREACHABLE else None
            if sent_ns is None:
                return  # a duplicate, too old, or a router's word on a sample that is judged
            kind = KIND_LATE
        elif received_ns - sent_ns > lane.tmax_ns:
            if reason == UNREACHABLE:
                return
            self._timeout(lane, seq, sent_ns)
            if lane.late.pop(seq, None) is None:
                return
            kind = KIND_LATE
        else:
            del lane.pending[seq]
            self.open -= 1
        if received_ns < sent_ns:
            # Two clock readings differ by less than a microsecond; more means that the realtime clock was stepped.
            if sent_ns - received_ns < CLOCK_JITTER_NS:
                received_ns = sent_ns
            else:
                received_ns, flags = monotonic_ns(), flags & ~FLAG_KERNEL_STAMP
        self.write(lane, kind, seq, outcome, reason, detail, sent_ns, received_ns, value, flags)

    def expire(self, now_ns):
        """The samples whose Tmax has passed, and the late answers that nobody waits for any more."""
        for tmax_ns, queue in self._expiries.items():
            before_ns = now_ns - tmax_ns
            while queue and queue[0][0] < before_ns:
                sent_ns, lane, seq = queue.popleft()
                if seq in lane.pending:
                    self._timeout(lane, seq, sent_ns)
        while self._late and self._late[0][0] < now_ns:
            _forget_ns, lane, seq = self._late.popleft()
            lane.late.pop(seq, None)

    def _timeout(self, lane, seq, sent_ns):
        del lane.pending[seq]
        self.open -= 1
        if self._unwatched(lane, sent_ns):
            self.write(lane, KIND_SAMPLE, seq, UNKNOWN, SELF_LATE, 0, sent_ns)
        else:
            self.write(lane, KIND_SAMPLE, seq, FAIL, TIMEOUT, 0, sent_ns)
            lane.late[seq] = sent_ns
            self._late.append((sent_ns + lane.tmax_ns + LATE_NS, lane, seq))
        lane.expired(lane.number, seq)

    def running(self, now_ns):
        """We run now: a gap since we last knew, or meant to wake, is a standstill, wherever in the loop it fell."""
        if now_ns - self.known_ns > STALL_NS:
            self._stall = (self.known_ns, now_ns)
        self.known_ns = now_ns

    def _unwatched(self, lane, sent_ns):
        """We stood still for half the sample's time or more: a suspended machine takes no packets, and loses some."""
        since_ns, until_ns = self._stall
        return 2 * (min(until_ns, sent_ns + lane.tmax_ns) - max(since_ns, sent_ns)) >= lane.tmax_ns

    def write(self, lane, kind, seq, outcome, reason, detail=0, sent_ns=0, received_ns=0, value=0, flags=0):
        due_ns = lane.first_due_ns + seq * lane.interval_ns
        self._record(lane.number, kind, outcome, reason, flags, detail, seq, due_ns, sent_ns, received_ns, value, 0)

    def stop_now(self):
        """Close the books: what has no verdict gets one."""
        for lane in self.lanes.values():
            for seq, sent_ns in lane.pending.items():
                self.write(lane, KIND_SAMPLE, seq, UNKNOWN, SELF_STOPPED, 0, sent_ns)
            lane.pending.clear()
        self.open = 0
