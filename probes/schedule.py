# SPDX-License-Identifier: GPL-2.0-only
"""The open-loop engine: one thread that sends when it is due, whatever is outstanding, and records verdicts.

Sending comes first. Answers carry kernel stamps, so they can wait in the socket for the next tick: that halves the
wake-ups, which are what a slow prober costs. Only probers with a descriptor (no kernel stamps) are read as they come.
"""

from __future__ import annotations

import errno
import heapq
import os
import select
from collections import deque
from time import monotonic_ns

from .clock import clock_pair
from .codes import (
    END_ASKED,
    END_TIME_UP,
    FAIL,
    FLAG_KERNEL_STAMP,
    KIND_ANNOUNCEMENT,
    KIND_LATE,
    KIND_SAMPLE,
    KIND_SECOND_OWNER,
    SELF_ERROR,
    SELF_LATE,
    SELF_STOPPED,
    TIMEOUT,
    UNKNOWN,
    UNREACHABLE,
)

TICK_NS = 20_000_000  # answers, verdicts and the spool wait at most this long
EARLY_TICK_NS = 4_000_000  # a tick this near is done with the send that woke us
CLOCK_NS = 1_000_000_000
LATE_NS = 10_000_000_000  # how long an answer after its verdict is still recorded
NEVER = 2**63
SPIN_NS = 5_000  # not worth a sleep
APART_NS = 200_000  # a wake-up costs more than a probe: what is due within this of the last one is sent together
BATCH = 64
BLOCK_BYTES = 32 * 1024
CLOCK_JITTER_NS = 1_000_000
STALL_NS = 100_000_000  # not heard of ourselves for this long: this process, or its whole machine, stood still

# The vantage's own way is gone: its outage, not the prober's error.
NO_WAY = frozenset((errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENODEV, errno.ENXIO))


class _Lane:
    __slots__ = (
        "count", "expired", "expiries", "first_due_ns", "half_ns", "interval_ns", "late", "number", "pending",
        "send", "seq", "tmax_ns",
    )  # fmt: skip


class Schedule:
    def __init__(self, plan, probers, spool, start_mono_ns, wake_fd):
        """probers: (prober, [plan.Lane, ...]) pairs; wake_fd becomes readable when a signal came."""
        self._spool = spool
        self._record = spool.add
        self._probers = [prober for prober, _lanes in probers]
        self._wake_fd = wake_fd
        self._watched = {prober.fileno(): prober for prober in self._probers if prober.fileno() >= 0}
        self._lanes = {}
        self._heap = []
        self._expiries = {}  # Tmax -> (sent_ns, lane, seq), oldest first
        self._late = deque()  # (forget_ns, lane, seq)
        self._open = 0
        self._tick_ns = NEVER
        self._clock_ns = start_mono_ns
        self._drain_until_ns = NEVER
        self._asked = 0
        self._woke_ns = 0
        self._known_ns = NEVER  # when we last knew that we ran or, while asleep, meant to wake
        self._stall = (0, 0)
        for prober, lanes in probers:
            for lane in lanes:
                self._add(prober, lane, start_mono_ns, plan.duration_ns)
        self._longest_ns = max(self._expiries)

    def _add(self, prober, planned, start_mono_ns, duration_ns):
        lane = _Lane()
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
        self._lanes[lane.number] = lane
        if lane.count:
            heapq.heappush(self._heap, (lane.first_due_ns, lane.number))

    def ask_to_stop(self):
        """Called by the signal handler. Once: no more sends, then drain. Again: end now."""
        self._asked += 1

    def run(self):
        """Until time is up or one asks to stop; returns the end record's reason."""
        heap = self._heap
        while True:
            now_ns = monotonic_ns()
            self._running(now_ns)
            if heap and not self._asked:
                if heap[0][0] <= now_ns:
                    now_ns = self._send_due(now_ns)
            elif self._finished(now_ns):
                return END_ASKED if self._asked else END_TIME_UP
            if now_ns >= self._clock_ns:
                self._spool.clock(*clock_pair())
                self._clock_ns = max(self._clock_ns + CLOCK_NS, now_ns + CLOCK_NS // 2)
                self._tick_by(now_ns + TICK_NS)
            if now_ns >= self._tick_ns - EARLY_TICK_NS:
                self._tick()
            self._sleep()

    def stop_now(self):
        """Close the books: what has no verdict gets one."""
        for lane in self._lanes.values():
            for seq, sent_ns in lane.pending.items():
                self._write(lane, KIND_SAMPLE, seq, UNKNOWN, SELF_STOPPED, 0, sent_ns)
            lane.pending.clear()
        self._open = 0

    def _sleep(self):
        wake_ns = min(self._tick_ns, self._clock_ns)
        if self._asked or not self._heap:
            wake_ns = min(wake_ns, self._drain_until_ns)
        else:
            wake_ns = min(wake_ns, self._heap[0][0])
        wake_ns = max(wake_ns, self._woke_ns + APART_NS)
        now_ns = monotonic_ns()
        self._running(now_ns)
        self._known_ns = max(wake_ns, now_ns)
        remaining_ns = wake_ns - now_ns
        if remaining_ns < SPIN_NS:
            return
        ready = select.select([self._wake_fd, *self._watched], [], [], remaining_ns / 1e9)[0]
        self._woke_ns = monotonic_ns()
        for descriptor in ready:
            if descriptor == self._wake_fd:
                os.read(descriptor, 64)  # the signal's handler has run
            else:
                self._answers(self._watched[descriptor].read(BATCH))

    def _send_due(self, now_ns):
        """Send what is due, at most a batch; returns the time after it."""
        heap = self._heap
        for _ in range(BATCH):
            due_ns, number = heap[0]
            if due_ns > now_ns:
                break
            lane = self._lanes[number]
            if now_ns - due_ns > lane.half_ns:
                self._miss(lane, now_ns)
            else:
                seq = lane.seq
                lane.seq = seq + 1
                sent_ns = monotonic_ns()
                number = lane.send(number, seq, sent_ns)
                now_ns = monotonic_ns()
                self._running(now_ns)
                if number is not None:
                    outcome, reason = (FAIL, UNREACHABLE) if number in NO_WAY else (UNKNOWN, SELF_ERROR)
                    self._write(lane, KIND_SAMPLE, seq, outcome, reason, number, sent_ns)
                elif now_ns - due_ns > lane.half_ns:
                    self._write(lane, KIND_SAMPLE, seq, UNKNOWN, SELF_LATE, 0, sent_ns)
                    lane.expired(lane.number, seq)
                else:
                    lane.pending[seq] = sent_ns
                    lane.expiries.append((sent_ns, lane, seq))
                    self._open += 1
            if lane.seq < lane.count:
                heapq.heapreplace(heap, (lane.first_due_ns + lane.seq * lane.interval_ns, lane.number))
            else:
                heapq.heappop(heap)
                if not heap:
                    break
        self._tick_by(now_ns + TICK_NS)
        return now_ns

    def _miss(self, lane, now_ns):
        """All samples of the lane that are overdue by more than half an interval: recorded, never sent in a burst."""
        first = lane.seq
        behind = (now_ns - lane.half_ns - lane.first_due_ns - 1) // lane.interval_ns
        lane.seq = min(max(behind, first) + 1, lane.count)
        for seq in range(first, lane.seq):
            self._write(lane, KIND_SAMPLE, seq, UNKNOWN, SELF_LATE)
            if self._spool.pending() >= BLOCK_BYTES:
                self._spool.flush()

    def _tick(self):
        began_ns = monotonic_ns()
        self._running(began_ns)
        drained = True
        for prober in self._probers:
            self._answers(prober.read(BATCH))
            while not prober.drained and self._idle():
                self._answers(prober.read(BATCH))
            drained = drained and prober.drained
        if drained:
            # Only now: an answer that waited in the socket while this process was stopped is still an answer.
            self._expire(began_ns)
        self._spool.flush()
        if not drained:
            self._tick_ns = began_ns
        else:
            self._tick_ns = began_ns + TICK_NS if self._open else NEVER

    def _idle(self):
        return self._asked or not self._heap or self._heap[0][0] > monotonic_ns()

    def _tick_by(self, at_ns):
        if at_ns < self._tick_ns:
            self._tick_ns = at_ns

    def _answers(self, answers):
        for answer in answers:
            kind, number, seq, received_ns, outcome, reason, detail, value, flags = answer
            lane = self._lanes[number]
            if kind == KIND_ANNOUNCEMENT:
                self._write(lane, kind, seq, outcome, reason, detail, 0, received_ns, value, flags)
                continue
            sent_ns = lane.pending.get(seq)
            if kind == KIND_SECOND_OWNER:
                sent_ns = sent_ns or lane.late.get(seq, 0)
            elif sent_ns is None:
                sent_ns = lane.late.pop(seq, None) if reason != UNREACHABLE else None
                if sent_ns is None:
                    continue  # a duplicate, too old, or a router's word on a sample that is judged
                kind = KIND_LATE
            elif received_ns - sent_ns > lane.tmax_ns:
                if reason == UNREACHABLE:
                    continue
                self._timeout(lane, seq, sent_ns)
                if lane.late.pop(seq, None) is None:
                    continue
                kind = KIND_LATE
            else:
                del lane.pending[seq]
                self._open -= 1
            if received_ns < sent_ns:
                # Two clock readings differ by less than a microsecond; more means that the realtime clock was stepped.
                if sent_ns - received_ns < CLOCK_JITTER_NS:
                    received_ns = sent_ns
                else:
                    received_ns, flags = monotonic_ns(), flags & ~FLAG_KERNEL_STAMP
            self._write(lane, kind, seq, outcome, reason, detail, sent_ns, received_ns, value, flags)
        if answers:
            self._tick_by(monotonic_ns() + TICK_NS)

    def _expire(self, now_ns):
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
        self._open -= 1
        if self._unwatched(lane, sent_ns):
            self._write(lane, KIND_SAMPLE, seq, UNKNOWN, SELF_LATE, 0, sent_ns)
        else:
            self._write(lane, KIND_SAMPLE, seq, FAIL, TIMEOUT, 0, sent_ns)
            lane.late[seq] = sent_ns
            self._late.append((sent_ns + lane.tmax_ns + LATE_NS, lane, seq))
        lane.expired(lane.number, seq)

    def _running(self, now_ns):
        """We run now: a gap since we last knew, or meant to wake, is a standstill, wherever in the loop it fell."""
        if now_ns - self._known_ns > STALL_NS:
            self._stall = (self._known_ns, now_ns)
        self._known_ns = now_ns

    def _unwatched(self, lane, sent_ns):
        """We stood still for half the sample's time or more: a suspended machine takes no packets, and loses some."""
        since_ns, until_ns = self._stall
        return 2 * (min(until_ns, sent_ns + lane.tmax_ns) - max(since_ns, sent_ns)) >= lane.tmax_ns

    def _write(self, lane, kind, seq, outcome, reason, detail=0, sent_ns=0, received_ns=0, value=0, flags=0):
        due_ns = lane.first_due_ns + seq * lane.interval_ns
        self._record(lane.number, kind, outcome, reason, flags, detail, seq, due_ns, sent_ns, received_ns, value, 0)

    def _finished(self, now_ns):
        """After the last send: when every verdict has fallen, and late answers had as long as the largest Tmax."""
        if self._drain_until_ns == NEVER:
            self._drain_until_ns = now_ns + self._longest_ns
            self._tick_by(now_ns + TICK_NS)
        if self._asked > 1:
            self.stop_now()
            return True
        if self._open:
            self._tick_by(now_ns + TICK_NS)
            return False
        return now_ns >= self._drain_until_ns or not any(lane.late for lane in self._lanes.values())
