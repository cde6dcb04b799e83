# SPDX-License-Identifier: GPL-2.0-only
"""Tries the prober out on this very machine: the lanes of a plan sent to loopback, and an outage of known length.

A process of our own answers on 127.0.0.1. For a while the kernel drops what comes to its socket, by a filter: that
works at once and without privileges, and the stamps around both changes are the truth that the samples must contain.
"""

from __future__ import annotations

import gc
import json
import os
import random
import select
import signal
import socket
import struct
import sys
from time import monotonic_ns

from .codes import FAIL, KIND_SAMPLE, NONE, OK, SELF_LATE
from .errors import StartError
from .filters import DROP, attach
from .plan import Lane, Plan, read_plan

SO_DETACH_FILTER = 27
HOME = "127.0.0.1"
START_DELAY_NS = 50_000_000  # a process is started meanwhile
TMAX_NS = 300_000_000
LONGEST_INTERVAL_NS = 1_000_000_000  # a slower lane is no load
LEAST_MS, MOST_MS = 200, 5000
ROUNDS = 10  # samples of the judged lane, at the least
SPARE_S = 10
_stamps = struct.Struct("<4Q")


class Tally:
    """In place of a spool: what the schedule writes, counted. `judged`: (seq, outcome, sent, received) of that lane."""

    def __init__(self, judged_lane):
        self._lane = judged_lane
        self.late_ns, self.judged = [], []
        self.count = 0
        self.self_late = 0

    def add(self, lane, kind, outcome, reason, flags, detail, seq, intended, sent, received, value, aux):
        if kind != KIND_SAMPLE:
            return
        if sent:
            self.late_ns.append(max(0, sent - intended))
        self.self_late += reason == SELF_LATE
        if lane == self._lane:
            self.judged.append((seq, outcome, sent, received))

    @staticmethod
    def pack_ok(*parts):
        return parts

    def extend(self, packed):
        for _number, head, seq, intended, sent, received, _tail in packed:
            lane = int.from_bytes(head[:2], "little")
            self.add(lane, KIND_SAMPLE, OK, NONE, 0, 0, seq, intended, sent, received, 0, 0)

    def clock(self, mono_ns, real_ns):
        """Of no interest here."""

    def pending(self):
        return 0

    def flush(self):
        """Nothing is kept back."""


def calibrate(plan_path, length_ms):
    if not LEAST_MS <= length_ms <= MOST_MS:
        raise StartError("plan", "calibrating takes from %d to %d ms" % (LEAST_MS, MOST_MS))
    given = read_plan(plan_path)
    length_ns = length_ms * 1_000_000
    sys.stdout.write(json.dumps(_measure(given, length_ns)) + "\n")
    sys.stdout.flush()
    return 0


def _measure(given, length_ns):
    from .run import _hurry
    from .schedule import Schedule
    from .table import Env

    load = [lane for lane in given.lanes if lane.interval_ns <= LONGEST_INTERVAL_NS]
    interval_ns = min([length_ns // ROUNDS, *(lane.interval_ns for lane in load)])
    socks = [_bound(), _bound()]
    judged = _lane(max(lane.lane for lane in given.lanes) + 1, "udp", interval_ns, 0, socks[0])
    probers, lanes = _open(load, judged, socks[1], Env(os.urandom(8), 0))
    gc.collect()
    gc.disable()
    wake_fd, _signal_fd = os.pipe()
    tally = Tally(judged.lane)
    start_ns = monotonic_ns() + START_DELAY_NS
    silent_ns = _silence(start_ns, length_ns, interval_ns)
    with _Responder(socks, silent_ns) as responder:
        scheduler = _hurry()
        schedule = Schedule(Plan(given.run, length_ns, lanes), probers, tally, start_ns, wake_fd)
        schedule.run()
        silenced, woken = responder.end()
    late = sorted(tally.late_ns) or [0]
    return {
        "wanted": schedule.wanted,
        "sent": len(tally.late_ns),
        "self_late": tally.self_late,
        "late_ns": [late[len(late) // 2], late[len(late) * 99 // 100], late[-1]],
        "interval_ns": interval_ns,
        "rtt_ns": max([received - sent for _s, outcome, sent, received in tally.judged if outcome == OK] or [0]),
        "silenced": silenced,
        "woken": woken,
        "edges": _edges(sorted(tally.judged)),
        "scheduler": scheduler,
    }


def _silence(start_ns, length_ns, interval_ns):
    """When it is silent: at a random place between two samples."""
    chance = random.SystemRandom()
    from_ns = start_ns + length_ns * 3 // 10 + chance.randrange(interval_ns)
    return from_ns, from_ns + length_ns * 3 // 10 + chance.randrange(interval_ns)


def _edges(judged):
    """Send stamps [last ok, first fail, last fail, first ok] around what failed; empty when that is not all there."""
    failed = [place for place, (_seq, outcome, _sent, _received) in enumerate(judged) if outcome == FAIL]
    if not failed:
        return []
    before = [sent for _seq, outcome, sent, _received in judged[: failed[0]] if outcome == OK]
    after = [sent for _seq, outcome, sent, _received in judged[failed[-1] :] if outcome == OK]
    if not before or not after:
        return []
    return [before[-1], judged[failed[0]][2], judged[failed[-1]][2], after[0]]


def _bound():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    sock.bind((HOME, 0))
    sock.setblocking(False)
    return sock


def _lane(number, prober, interval_ns, offset_ns, sock=None, flow=None):
    port = sock.getsockname()[1] if sock is not None else 0
    options = {"flow": flow} if flow else {"path": False}
    return Lane(number, prober, flow, HOME, port, None, interval_ns, TMAX_NS, offset_ns, options)


def _open(load, judged, plain, env):
    """(prober, lanes) pairs, and all lanes: ICMP as the plan's lanes are sent, UDP where ICMP is not allowed."""
    from .table import open_prober

    as_icmp = [_lane(lane.lane, "icmp", lane.interval_ns, lane.offset_ns, flow=lane.flow or "new") for lane in load]
    if as_icmp:
        try:
            pairs = [(open_prober("icmp", as_icmp, env), as_icmp), (open_prober("udp", [judged], env), [judged])]
            return pairs, [*as_icmp, judged]
        except (OSError, StartError):
            pass
    lanes = [_lane(lane.lane, "udp", lane.interval_ns, lane.offset_ns, plain) for lane in load] + [judged]
    return [(open_prober("udp", lanes, env), lanes)], lanes


class _Responder:
    """A process that echoes what comes to its sockets, and is deaf on the first one from one time to another."""

    def __init__(self, socks, silent_ns):
        self._socks, self._silent_ns = socks, silent_ns

    def __enter__(self):
        self._report_fd, report_fd = os.pipe()
        life_fd, self._life_fd = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            try:
                signal.alarm((self._silent_ns[1] - monotonic_ns()) // 10**9 + SPARE_S)
                os.close(self._report_fd)
                os.close(self._life_fd)
                _respond(self._socks, self._silent_ns, report_fd, life_fd)
            finally:
                os._exit(0)
        os.close(report_fd)
        os.close(life_fd)
        return self

    def end(self):
        """[before, after] of its falling silent and of its coming back."""
        os.close(self._life_fd)
        self._life_fd = -1
        text = os.read(self._report_fd, _stamps.size)
        if len(text) != _stamps.size:
            return [], []
        stamps = _stamps.unpack(text)
        return list(stamps[:2]), list(stamps[2:])

    def __exit__(self, *_error):
        if self._life_fd >= 0:
            os.close(self._life_fd)
        os.close(self._report_fd)
        os.waitpid(self._pid, 0)


def _respond(socks, silent_ns, report_fd, life_fd):
    from .listen import echo_datagram

    stamps = []
    while True:
        due_ns = silent_ns[len(stamps) // 2] if len(stamps) < 4 else None
        wait_s = None if due_ns is None else max(0, due_ns - monotonic_ns()) / 1e9
        ready = select.select([life_fd, *socks], [], [], wait_s)[0]
        if due_ns is not None and monotonic_ns() >= due_ns:
            before_ns = monotonic_ns()
            if stamps:
                socks[0].setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
            else:
                attach(socks[0], [DROP])
            stamps += [before_ns, monotonic_ns()]
        for one in ready:
            if one == life_fd:
                if len(stamps) == 4:
                    os.write(report_fd, _stamps.pack(*stamps))
                return
            try:
                echo_datagram(one)
            except OSError:
                continue  # dropped meanwhile
