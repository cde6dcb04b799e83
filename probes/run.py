# SPDX-License-Identifier: GPL-2.0-only
"""Starts a prober: checks the plan, detaches, opens what it needs, tells the caller, runs to the end."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
import time
from time import monotonic_ns

from .codes import END_FAILED, MAGIC
from .errors import StartError
from .plan import read_plan
from .watch import is_alive

START_DELAY_NS = 20_000_000  # between the header and the first sample, so that it is not late at once
SPOOL_DAYS = 7
FIFO_PRIORITY = 10
NICE = -10


def run(plan_path, spool_path, detach):
    plan = read_plan(plan_path)
    spool_path = os.path.abspath(spool_path)
    if os.path.lexists(spool_path):
        raise StartError("spool", "there is a spool at %s already" % spool_path)
    if not detach:
        return _serve(plan, spool_path, _print)
    return _detached(plan, spool_path)


def _print(report):
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.flush()


def _detached(plan, spool_path):
    """Double fork; the grandchild reports over a pipe, which the caller's process prints."""
    read_fd, write_fd = os.pipe()
    child = os.fork()
    if child:
        os.close(write_fd)
        with os.fdopen(read_fd, "rb") as pipe:
            text = pipe.read().decode("utf-8")
        os.waitpid(child, 0)
        report = json.loads(text) if text else {"error": "the prober died while starting", "code": "python"}
        _print(report)
        return 1 if "error" in report else 0
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        _leave_caller(write_fd)
        report_fd = 3

        def report(message):
            os.write(report_fd, json.dumps(message).encode())
            os.close(report_fd)

        try:
            _serve(plan, spool_path, report)
        except StartError as error:
            report({"error": error.line, "code": error.code})
    except BaseException as error:  # nobody above may run twice
        with contextlib.suppress(OSError):
            os.write(3, json.dumps({"error": "%s: %s" % (type(error).__name__, error), "code": "python"}).encode())
    finally:
        os._exit(0)


def _leave_caller(write_fd):
    """Keep nothing of the caller's: no terminal, no pipes (a channel stays open as long as somebody holds its end)."""
    os.chdir("/")
    null_fd = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null_fd, descriptor)
    spare_fd = os.dup(write_fd)
    os.dup2(spare_fd, 3, inheritable=False)
    os.closerange(4, 1024)


def _serve(plan, spool_path, report):
    from .schedule import Schedule
    from .spool import SpoolError, SpoolWriter
    from .table import Env, open_prober
    from .verdicts import LATE_NS

    probers = []
    spool = None
    try:
        env = Env(os.urandom(8), LATE_NS)
        for name in sorted({lane.prober for lane in plan.lanes}):
            lanes = [lane for lane in plan.lanes if lane.prober == name]
            try:
                probers.append((open_prober(name, lanes, env), lanes))
            except OSError as error:
                raise StartError("interface", "%s: %s" % (name, error.strerror)) from None
        remove_old_spools(os.path.dirname(spool_path))
        scheduler = _hurry()
        gc.collect()
        if hasattr(gc, "freeze"):
            gc.freeze()
        gc.disable()  # nothing here makes cycles, and a collection is a pause
        wake_fd, signal_fd = os.pipe()
        os.set_blocking(signal_fd, False)
        from .clock import clock_pair

        mono_ns, real_ns = clock_pair()
        start_mono_ns, start_real_ns = mono_ns + START_DELAY_NS, real_ns + START_DELAY_NS
        try:
            spool = SpoolWriter(spool_path, os.getpid(), start_mono_ns, start_real_ns, plan.run)
        except (OSError, SpoolError) as error:
            raise StartError(
                "spool", "cannot write the spool %s: %s" % (spool_path, os.strerror(error.errno))
            ) from None
        schedule = Schedule(plan, probers, spool, start_mono_ns, wake_fd)
        _obey(schedule, signal_fd)
        message = {"pid": os.getpid(), "start_mono": start_mono_ns, "start_real": start_real_ns}
        report({**message, "boot_id": boot_id(), "scheduler": scheduler})
    except BaseException:
        if spool is not None:
            spool.abandon()
        raise
    return _go(schedule, spool)


def _go(schedule, spool):
    """Run to the end. The process dies with its sockets; closing a packet socket would only cost 25 ms."""
    from .spool import SpoolError

    reason, detail = END_FAILED, 0
    try:
        reason = schedule.run()
    except (SpoolError, OSError) as error:
        detail = error.errno or 0
    except Exception as error:
        sys.stderr.write("the prober failed: %s: %s\n" % (type(error).__name__, error))
    if reason == END_FAILED:
        schedule.stop_now()
    spool.end(reason, detail, monotonic_ns())
    return 1 if reason == END_FAILED else 0


def _obey(schedule, signal_fd):
    signal.set_wakeup_fd(signal_fd, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: schedule.ask_to_stop())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _hurry():
    """Be scheduled at once when due, as far as this user may; says how."""
    with contextlib.suppress(OSError), open("/proc/self/timerslack_ns", "w") as file:
        file.write("1")
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY))
        return "fifo"
    except (OSError, AttributeError):
        pass
    try:
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
        return "nice"
    except OSError:
        return "other"


def boot_id():
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


def remove_old_spools(folder):
    """Spools of runs that nobody collected for a week. Only files that say they are spools and have no prober."""
    limit_s = time.time() - SPOOL_DAYS * 86400
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            with contextlib.suppress(OSError):
                if not entry.is_file(follow_symlinks=False) or entry.stat().st_mtime > limit_s:
                    continue
                descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                try:
                    old = os.read(descriptor, len(MAGIC)) == MAGIC and not is_alive(descriptor)
                finally:
                    os.close(descriptor)
                if old:
                    os.unlink(entry.path)
