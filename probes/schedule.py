# SPDX-License-Identifier: GPL-2.0-only
"""The open-loop engine: one thread that sends when it is due, whatever is outstanding.

Sending comes first. Answers carry kernel stamps, so they can wait in the socket for the next tick: that halves the
wake-ups, which are what a slow prober costs. Only probers with a descriptor (no kernel stamps) are read as they come.
What becomes of a sample is in verdicts.py.
"""

from __future__ import annotations

import heapq
import os
import select
from time import monotonic_ns

from .clock import clock_pair
from .codes import END_ASKED, END_TIME_UP
from .ticks import together
from .verdicts import STALL_NS, Verdicts

TICK_NS = 20_000_000  # answers, verdicts and the spool wait at most this long
BUSY_TICK_NS = 10_000_000  # or so much longer while there is something to send
AT_ONCE = 0
EARLY_TICK_NS = 4_000_000  # a tick this near is done with the send that woke us
CLOCK_NS = 1_000_000_000
NEVER = 2**63
SPIN_NS = 5_000  # not worth a sleep
EARLY_NS = 100_000  # how much sooner to wake for a lane of short intervals, and wait busily: a wake-up is that late
EARLY_SHARE = 100  # of an interval, at most: this much of a core
HURRIED_NS = 20_000_000  # in longer intervals so little lateness is of no interest
BATCH = 64


class Schedule:
    def __init__(self, plan, probers, spool, start_mono_ns, wake_fd):
        """probers: (prober, [plan.Lane, ...]) pairs; wake_fd becomes readable when a signal came."""
        self._spool = spool
        self._probers = [prober for prober, _lanes in probers]
        self._wake_fd = wake_fd
        self._watched = {prober.fileno(): prober for prober in self._probers if prober.fileno() >= 0}
        self._verdicts = Verdicts(spool, NEVER)
        self._heap = []  # (due_ns, number, group)
        self._tick_ns = NEVER
        self._clock_ns = start_mono_ns
        self._drain_until_ns = NEVER
        self._asked = 0
        for group in self._groups(probers, start_mono_ns, plan.duration_ns):
            group.early_ns = _early_ns(group)
            if group.count:
                heapq.heappush(self._heap, (group.first_due_ns, group.numbers[0], group))

    def _groups(self, probers, start_mono_ns, duration_ns):
        offsets = {lane.lane: lane for lane in together([lane for _prober, lanes in probers for lane in lanes])}
        for prober, lanes in probers:
            alike = {}
            for lane in (offsets[lane.lane] for lane in lanes):
                alike.setdefault((lane.interval_ns, lane.tmax_ns, lane.offset_ns), []).append(lane)
            for members in alike.values():
                for part, send in _senders(prober, members):
                    yield self._verdicts.add(part, send, prober.expired, start_mono_ns, duration_ns)

    @property
    def wanted(self):
        """How many samples are due until the end."""
        return sum(lane.group.count for lane in self._verdicts.lanes.values())

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
        wake_ns, early_ns = min(self._tick_ns, self._clock_ns), 0
        if self._asked or not self._heap:
            wake_ns = min(wake_ns, self._drain_until_ns)
        elif self._heap[0][0] <= wake_ns:
            wake_ns, _number, group = self._heap[0]
            early_ns = group.early_ns
        now_ns = monotonic_ns()
        self._verdicts.running(now_ns)
        self._verdicts.known_ns = max(wake_ns, now_ns)
        remaining_ns = wake_ns - early_ns - now_ns
        if remaining_ns >= SPIN_NS:
            ready = select.select([self._wake_fd, *self._watched], [], [], remaining_ns / 1e9)[0]
            if ready:
                self._attend(ready)
                return
        if early_ns:
            while monotonic_ns() < wake_ns:
                pass

    def _attend(self, ready):
        self._verdicts.running(monotonic_ns())  # before a verdict falls: answers may have waited for us to go on
        for descriptor in ready:
            if descriptor == self._wake_fd:
                os.read(descriptor, 64)  # the signal's handler has run
            else:
                self._read(self._watched[descriptor])

    def _send_due(self, now_ns):
        """Send what is due, about a batch; returns the time after it."""
        heap, heapreplace, verdicts = self._heap, heapq.heapreplace, self._verdicts
        known_ns = now_ns
        room = BATCH
        while room > 0:
            due_ns, number, group = heap[0]
            if due_ns > now_ns:
                break
            room -= len(group.numbers)
            if now_ns - due_ns > group.half_ns:
                verdicts.miss(group, now_ns)
            else:
                seq = group.seq
                group.seq = seq + 1
                sent_ns = monotonic_ns()
                failed = group.send(seq, sent_ns)
                now_ns = monotonic_ns()
                if now_ns - known_ns > STALL_NS:
                    verdicts.known_ns = known_ns
                    verdicts.running(now_ns)
                known_ns = now_ns
                if now_ns - due_ns > group.half_ns:
                    verdicts.too_late(group, seq, sent_ns, now_ns, failed)
                else:
                    verdicts.sent(group, seq, sent_ns, now_ns, failed)
            if group.seq < group.count:
                heapreplace(heap, (group.first_due_ns + group.seq * group.interval_ns, number, group))
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
            self._read(prober)
            while not prober.drained and self._idle():
                self._read(prober)
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

    def _read(self, prober):
        answers = prober.read(BATCH)
        plain = getattr(prober, "plain", None)
        if plain:
            self._verdicts.plain(plain)
        if answers:
            self._verdicts.answers(answers)
        if plain or answers:
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


def _early_ns(group):
    """For one lane; of many that are sent together most have to wait for each other anyway."""
    if group.interval_ns > HURRIED_NS:
        return 0
    return min(EARLY_NS, group.interval_ns // EARLY_SHARE) // len(group.numbers)


def _senders(prober, lanes):
    """[(lanes, send)]: many with one call where the prober knows how, else one by one."""
    planned = {lane.lane: lane for lane in lanes}
    bursts = getattr(prober, "bursts", None)
    made = bursts(list(planned)) if bursts is not None and len(lanes) > 1 else []
    if made:
        return [([planned[number] for number in part], send) for part, send in made]
    return [([lane], _alone(prober.send, lane.lane)) for lane in lanes]


def _alone(send, number):
    def send_one(seq, sent_ns):
        failed = send(number, seq, sent_ns)
        return () if failed is None else ((0, failed),)

    return send_one
