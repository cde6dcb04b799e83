# SPDX-License-Identifier: GPL-2.0-only
"""The open-loop engine: one thread that sends when it is due, whatever is outstanding.

Sending comes first. Answers carry kernel stamps, so they can wait in the socket for the next tick: that halves the
wake-ups, which are what a slow prober costs. Only probers with a descriptor (no kernel stamps) are read as they come.
What becomes of a sample is in verdicts.py.
"""

from __future__ import annotations

import errno
import heapq
import os
import select
from time import monotonic_ns

from .clock import clock_pair
from .codes import END_ASKED, END_TIME_UP, FAIL, KIND_SAMPLE, SELF_ERROR, SELF_LATE, UNKNOWN, UNREACHABLE
from .verdicts import STALL_NS, Verdicts

TICK_NS = 20_000_000  # answers, verdicts and the spool wait at most this long
BUSY_TICK_NS = 10_000_000  # or so much longer while there is something to send
AT_ONCE = 0
EARLY_TICK_NS = 4_000_000  # a tick this near is done with the send that woke us
CLOCK_NS = 1_000_000_000
NEVER = 2**63
SPIN_NS = 5_000  # not worth a sleep
APART_NS = 200_000  # a wake-up costs more than a probe: what is due within this of the last one is sent together
BATCH = 64

# The vantage's own way is gone: its outage, not the prober's error.
NO_WAY = frozenset((errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENODEV, errno.ENXIO))


class Schedule:
    def __init__(self, plan, probers, spool, start_mono_ns, wake_fd):
        """probers: (prober, [plan.Lane, ...]) pairs; wake_fd becomes readable when a signal came."""
        self._spool = spool
        self._probers = [prober for prober, _lanes in probers]
        self._wake_fd = wake_fd
        self._watched = {prober.fileno(): prober for prober in self._probers if prober.fileno() >= 0}
        self._verdicts = Verdicts(spool, NEVER)
        self._heap = []  # (due_ns, number, lane)
        self._tick_ns = NEVER
        self._clock_ns = start_mono_ns
        self._drain_until_ns = NEVER
        self._asked = 0
        self._woke_ns = 0
        for prober, lanes in probers:
            for planned in lanes:
                lane = self._verdicts.add(prober, planned, start_mono_ns, plan.duration_ns)
                if lane.count:
                    heapq.heappush(self._heap, (lane.first_due_ns, lane.number, lane))

    def ask_to_stop(self):
        """Called by the signal handler. Once: no more sends, then drain. Again: end now."""
        self._asked += 1

    def run(self):
        """Until time is up or one asks to stop; returns the end record's reason."""
        heap = self._heap
        while True:
            now_ns = monotonic_ns()
            self._verdicts.running(now_ns)
            if heap and not self._asked:
                if heap[0][0] <= now_ns:
                    now_ns = self._send_due(now_ns)
            elif self._finished(now_ns):
                return END_ASKED if self._asked else END_TIME_UP
            if now_ns >= self._clock_ns:
                self._spool.clock(*clock_pair())
                self._clock_ns = max(self._clock_ns + CLOCK_NS, now_ns + CLOCK_NS // 2)
                self._tick_by(now_ns + TICK_NS)
            if now_ns >= self._tick_ns + (-EARLY_TICK_NS if self._idle() else BUSY_TICK_NS):
                self._tick()
            self._sleep()

    def stop_now(self):
        """Close the books: what has no verdict gets one."""
        self._verdicts.stop_now()

    def _sleep(self):
        wake_ns = min(self._tick_ns, self._clock_ns)
        if self._asked or not self._heap:
            wake_ns = min(wake_ns, self._drain_until_ns)
        else:
            wake_ns = min(wake_ns, self._heap[0][0])
        wake_ns = max(wake_ns, self._woke_ns + APART_NS)
        now_ns = monotonic_ns()
        self._verdicts.running(now_ns)
        self._verdicts.known_ns = max(wake_ns, now_ns)
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
        heap, heapreplace, verdicts = self._heap, heapq.heapreplace, self._verdicts
        known_ns = now_ns
        for _ in range(BATCH):
            due_ns, number, lane = heap[0]
            if due_ns > now_ns:
                break
            if now_ns - due_ns > lane.half_ns:
                verdicts.miss(lane, now_ns)
            else:
                seq = lane.seq
                lane.seq = seq + 1
                sent_ns = monotonic_ns()
                failed = lane.send(number, seq, sent_ns)
                now_ns = monotonic_ns()
                if now_ns - known_ns > STALL_NS:
                    verdicts.known_ns = known_ns
                    verdicts.running(now_ns)
                known_ns = now_ns
                if failed is not None:
                    outcome, reason = (FAIL, UNREACHABLE) if failed in NO_WAY else (UNKNOWN, SELF_ERROR)
                    verdicts.write(lane, KIND_SAMPLE, seq, outcome, reason, failed, sent_ns)
                elif now_ns - due_ns > lane.half_ns:
                    verdicts.write(lane, KIND_SAMPLE, seq, UNKNOWN, SELF_LATE, 0, sent_ns)
                    lane.expired(number, seq)
                else:
                    lane.pending[seq] = sent_ns
                    lane.expiries.append((sent_ns, lane, seq))
                    verdicts.open += 1
            if lane.seq < lane.count:
                heapreplace(heap, (lane.first_due_ns + lane.seq * lane.interval_ns, number, lane))
            else:
                heapq.heappop(heap)
                if not heap:
                    break
        verdicts.known_ns = known_ns
        self._tick_by(now_ns + TICK_NS)
        return now_ns

    def _tick(self):
        verdicts = self._verdicts
        began_ns = monotonic_ns()
        verdicts.running(began_ns)
        drained = True
        for prober in self._probers:
            self._answers(prober.read(BATCH))
            while not prober.drained and self._idle():
                self._answers(prober.read(BATCH))
            drained = drained and prober.drained
        if drained:
            # Only now: an answer that waited in the socket while this process was stopped is still an answer.
            verdicts.expire(began_ns)
        self._spool.flush()
        if not drained:
            self._tick_ns = AT_ONCE
        else:
            self._tick_ns = began_ns + TICK_NS if verdicts.open else NEVER

    def _idle(self):
        return self._asked or not self._heap or self._heap[0][0] > monotonic_ns()

    def _tick_by(self, at_ns):
        if at_ns < self._tick_ns:
            self._tick_ns = at_ns

    def _answers(self, answers):
        if answers:
            self._verdicts.answers(answers)
            self._tick_by(monotonic_ns() + TICK_NS)

    def _finished(self, now_ns):
        """After the last send: when every verdict has fallen, and late answers had as long as the largest Tmax."""
        if self._drain_until_ns == NEVER:
            self._drain_until_ns = now_ns + self._verdicts.longest_ns
            self._tick_by(now_ns + TICK_NS)
        if self._asked > 1:
            self.stop_now()
            return True
        if self._verdicts.open:
            self._tick_by(now_ns + TICK_NS)
            return False
        return now_ns >= self._drain_until_ns or not self._verdicts.awaits_late()
