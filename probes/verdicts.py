# SPDX-License-Identifier: GPL-2.0-only
"""The verdicts: each sample gets exactly one, by its answer or when its Tmax has passed, and goes into the spool."""

from __future__ import annotations

import errno
import socket
from collections import deque
from time import monotonic_ns

from .codes import (
    FAIL,
    FLAG_KERNEL_STAMP,
    FLAG_VALUE,
    KIND_ANNOUNCEMENT,
    KIND_LATE,
    KIND_SAMPLE,
    KIND_SECOND_OWNER,
    NONE,
    OK,
    SELF_ERROR,
    SELF_LATE,
    SELF_STOPPED,
    TIMEOUT,
    UNKNOWN,
    UNREACHABLE,
)
from .spool import ok_parts

LATE_NS = 10_000_000_000  # how long an answer after its verdict is still recorded
CLOCK_JITTER_NS = 1_000_000
STALL_NS = 100_000_000  # not heard of ourselves for this long: this process, or its whole machine, stood still
BLOCK_BYTES = 32 * 1024

# The vantage's own way is gone: its outage, not the prober's error.
NO_WAY = frozenset((errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENODEV, errno.ENXIO))


class Group:
    """Lanes that are due together and sent together: when, how far they are, which samples have no verdict.

    `open`: seq -> {lane number: sent_ns}. `send(seq, sent_ns)` gives [(place, errno)] of those that could not be sent.
    """

    __slots__ = (
        "books", "count", "early_ns", "expiries", "first_due_ns", "half_ns", "interval_ns", "numbers", "open", "send",
        "seq", "tmax_ns",
    )  # fmt: skip


class LaneBook:
    """One lane: what it is, and its samples that may still be answered late."""

    __slots__ = ("expired", "group", "late", "number", "ok_head", "ok_tail")


class Verdicts:
    """`open`: how many samples have no verdict. `known_ns`: when we last knew that we ran or, asleep, meant to wake."""

    def __init__(self, spool, known_ns):
        self._spool = spool
        self._record = spool.add
        self._expiries = {}  # Tmax -> (after_ns, group, seq), oldest first
        self._late = deque()  # (forget_ns, lane, seq)
        self._stall = (0, 0)
        self.lanes = {}
        self.open = 0
        self.known_ns = known_ns

    def add(self, planned, send, expired, start_mono_ns, duration_ns):
        """planned: the lanes of the group, which have all the same times; gives the group."""
        times = planned[0]
        group = Group()
        group.send = send
        group.interval_ns = times.interval_ns
        group.half_ns = times.interval_ns // 2
        group.tmax_ns = times.tmax_ns
        group.first_due_ns = start_mono_ns + times.offset_ns
        group.count = max(0, -(-(duration_ns - times.offset_ns) // times.interval_ns))  # due before the end
        group.seq = 0
        group.open = {}
        group.expiries = self._expiries.setdefault(times.tmax_ns, deque())
        group.numbers = [lane.lane for lane in planned]
        group.books = []
        for lane in planned:
            book = LaneBook()
            book.number, book.group, book.expired, book.late = lane.lane, group, expired, {}
            book.ok_head, book.ok_tail = ok_parts(lane.lane, address_value(lane.target))
            self.lanes[lane.lane] = book
            group.books.append(book)
        return group

    @property
    def longest_ns(self):
        return max(self._expiries)

    def awaits_late(self):
        return any(lane.late for lane in self.lanes.values())

    def miss(self, group, now_ns):
        """All samples of the group that are overdue by more than half an interval: recorded, never sent in a burst."""
        first = group.seq
        behind = (now_ns - group.half_ns - group.first_due_ns - 1) // group.interval_ns
        group.seq = min(max(behind, first) + 1, group.count)
        for seq in range(first, group.seq):
            for lane in group.books:
                self.write(lane, KIND_SAMPLE, seq, UNKNOWN, SELF_LATE)
            if self._spool.pending() >= BLOCK_BYTES:
                self._spool.flush()

    def sent(self, group, seq, sent_ns, after_ns, failed):
        """They are out, sent between these two stamps, but for `failed`: (place, errno)."""
        numbers = group.numbers
        if len(numbers) == 1:
            waiting = {numbers[0]: sent_ns}
        else:
            step_ns = max(1, (after_ns - sent_ns) // len(numbers))
            stamps = range(sent_ns, sent_ns + step_ns * len(numbers), step_ns)
            waiting = dict(zip(numbers, stamps))  # noqa: B905 - Python 3.7 has no strict
        for place, number in failed:
            lane = group.books[place]
            del waiting[lane.number]
            outcome, reason = (FAIL, UNREACHABLE) if number in NO_WAY else (UNKNOWN, SELF_ERROR)
            self.write(lane, KIND_SAMPLE, seq, outcome, reason, number, sent_ns)
        if waiting:
            group.open[seq] = waiting
            group.expiries.append((after_ns, group, seq))
            self.open += len(waiting)

    def too_late(self, group, seq, sent_ns, after_ns, failed):
        """As sent(), more than half an interval after they were due."""
        self.sent(group, seq, sent_ns, after_ns, failed)
        for number, sent_ns in group.open.pop(seq, {}).items():
            lane = self.lanes[number]
            self.open -= 1
            self.write(lane, KIND_SAMPLE, seq, UNKNOWN, SELF_LATE, 0, sent_ns)
            lane.expired(number, seq)

    def plain(self, rows):
        """(lane, seq, received_ns) of answers that are ok, from the target itself, with the kernel's stamp."""
        lanes, pack, number = self.lanes, self._spool.pack_ok, self._spool.count
        packed, odd = [], []
        add = packed.append
        for row in rows:
            lane_number, seq, received_ns = row
            lane = lanes[lane_number]
            group = lane.group
            waiting = group.open.get(seq)
            sent_ns = waiting.get(lane_number) if waiting else None
            if sent_ns is None or not sent_ns <= received_ns <= sent_ns + group.tmax_ns:
                odd.append(row)
                continue
            if len(waiting) == 1:
                del group.open[seq]
            else:
                del waiting[lane_number]
            due_ns = group.first_due_ns + seq * group.interval_ns
            add(pack(number, lane.ok_head, seq, due_ns, sent_ns, received_ns, lane.ok_tail))
            number += 1
        self._spool.extend(packed)
        self.open -= len(packed)
        if odd:
            self.answers([self._whole(*row) for row in odd])

    def _whole(self, number, seq, received_ns):
        """The Answer that a row of plain() is."""
        value = int.from_bytes(self.lanes[number].ok_tail[:8], "little")
        return KIND_SAMPLE, number, seq, received_ns, OK, NONE, 0, value, FLAG_KERNEL_STAMP | FLAG_VALUE

    def answers(self, answers):
        lanes, record = self.lanes, self._record
        for answer in answers:
            kind, number, seq, received_ns, outcome, reason, detail, value, flags = answer
            lane = lanes[number]
            group = lane.group
            waiting = group.open.get(seq)
            sent_ns = waiting.get(number) if waiting else None
            if kind == KIND_SAMPLE and sent_ns is not None and sent_ns <= received_ns <= sent_ns + group.tmax_ns:
                self._judged(lane, seq)
                due_ns = group.first_due_ns + seq * group.interval_ns
                record(number, kind, outcome, reason, flags, detail, seq, due_ns, sent_ns, received_ns, value, 0)
            else:
                self._odd(lane, sent_ns, answer)

    def _judged(self, lane, seq):
        self.open -= 1
        waiting = lane.group.open[seq]
        del waiting[lane.number]
        if not waiting:
            del lane.group.open[seq]

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
        elif received_ns - sent_ns > lane.group.tmax_ns:
            if reason == UNREACHABLE:
                return
            self._judged(lane, seq)
            self._timeout(lane, seq, sent_ns)
            if lane.late.pop(seq, None) is None:
                return
            kind = KIND_LATE
        else:
            self._judged(lane, seq)
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
                _after_ns, group, seq = queue.popleft()
                waiting = group.open.pop(seq, {})
                self.open -= len(waiting)
                for number, sent_ns in waiting.items():
                    self._timeout(self.lanes[number], seq, sent_ns)
        while self._late and self._late[0][0] < now_ns:
            _forget_ns, lane, seq = self._late.popleft()
            lane.late.pop(seq, None)

    def _timeout(self, lane, seq, sent_ns):
        if self._unwatched(lane, sent_ns):
            self.write(lane, KIND_SAMPLE, seq, UNKNOWN, SELF_LATE, 0, sent_ns)
        else:
            self.write(lane, KIND_SAMPLE, seq, FAIL, TIMEOUT, 0, sent_ns)
            lane.late[seq] = sent_ns
            self._late.append((sent_ns + lane.group.tmax_ns + LATE_NS, lane, seq))
        lane.expired(lane.number, seq)

    def running(self, now_ns):
        """We run now: a gap since we last knew, or meant to wake, is a standstill, wherever in the loop it fell."""
        if now_ns - self.known_ns > STALL_NS:
            self._stall = (self.known_ns, now_ns)
        self.known_ns = now_ns

    def _unwatched(self, lane, sent_ns):
        """We stood still for half the sample's time or more: a suspended machine takes no packets, and loses some."""
        since_ns, until_ns = self._stall
        tmax_ns = lane.group.tmax_ns
        return 2 * (min(until_ns, sent_ns + tmax_ns) - max(since_ns, sent_ns)) >= tmax_ns

    def write(self, lane, kind, seq, outcome, reason, detail=0, sent_ns=0, received_ns=0, value=0, flags=0):
        due_ns = lane.group.first_due_ns + seq * lane.group.interval_ns
        self._record(lane.number, kind, outcome, reason, flags, detail, seq, due_ns, sent_ns, received_ns, value, 0)

    def stop_now(self):
        """Close the books: what has no verdict gets one."""
        for group in {lane.group for lane in self.lanes.values()}:
            for seq, waiting in group.open.items():
                for number, sent_ns in waiting.items():
                    self.write(self.lanes[number], KIND_SAMPLE, seq, UNKNOWN, SELF_STOPPED, 0, sent_ns)
            group.open.clear()
        self.open = 0


def address_value(text):
    """An IPv4 address as a record's value; 0 for others, whose probers give no plain answers."""
    try:
        return int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big")
    except OSError:
        return 0
