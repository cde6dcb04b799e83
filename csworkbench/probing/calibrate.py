# SPDX-License-Identifier: Apache-2.0
"""Trying the prober out where it will run: how late it sends, and whether it finds an outage of known length."""

import dataclasses

from csworkbench.model.event import Calibrated

from .answers import last_line, last_object, number
from .plan import ProbePlan
from .program import HOME, Program, PythonProgram, ShellProgram
from .shell import Shell, ShellError, one_line
from .shell_spool import STEP_NS

START_LIMIT_S = 5.0  # beyond the measuring itself: Python, scapy, the last verdicts
PINGS = 5
MOST_NS = 3600 * 1_000_000_000
# Its clock counts hundredths of a second, so several are started and their time is shared.
_PING_TIME = (
    "read -r a _ < /proc/uptime; for i in 1 2 3 4 5; do ping -c 1 -W 1 127.0.0.1 >/dev/null 2>&1; done;"
    ' read -r b _ < /proc/uptime; echo "$a $b"'
)


async def calibrate(name: str, shell: Shell, program: Program, plan: ProbePlan, seconds: float) -> Calibrated:
    """Whatever comes of it: a vantage that cannot be tried out may measure well. Raises nothing."""
    shortest_ns = min(lane.interval_ns for lane in plan.lanes)
    try:
        match program:
            case PythonProgram():
                return await _python(name, shell, program, plan, seconds)
            case ShellProgram():
                return await _shell_agent(name, shell, shortest_ns)
    except ShellError as error:
        return Calibrated(name, shortest_ns, why=str(error).removeprefix(f"{name}: ")[:300])
    return Calibrated(name, shortest_ns, why="no way to try this program out")


async def _python(name: str, shell: Shell, program: PythonProgram, plan: ProbePlan, seconds: float) -> Calibrated:
    folder = f"{HOME}/runs/{plan.run}"
    await shell.run(f'umask 077 && mkdir -p "$HOME/{folder}"')
    await shell.put(plan.to_json().encode(), f"{folder}/calibrate.json")
    words = f'calibrate --plan "$HOME/{folder}"/calibrate.json --ms {round(seconds * 1000)}'
    done = await shell.run(program.told(words), timeout_s=seconds + START_LIMIT_S)
    answer = last_object(done.out)
    if done.status or "error" in answer:
        raise ShellError(one_line(str(answer.get("error") or "")) or last_line(done.err))
    return read_answer(name, min(lane.interval_ns for lane in plan.lanes), answer)


def read_answer(name: str, shortest_ns: int, answer: dict[str, object]) -> Calibrated:
    """What the probe program found, read with distrust. Raises ShellError when it makes no sense."""
    wanted, sent, self_late = (number(answer, key) for key in ("wanted", "sent", "self_late"))
    late_p50_ns, late_p99_ns, late_max_ns = _stamps(answer, "late_ns", 3)
    silenced, woken = _stamps(answer, "silenced", 2), _stamps(answer, "woken", 2)
    if not wanted or sent + self_late > 2 * wanted or late_max_ns > MOST_NS or number(answer, "rtt_ns") > MOST_NS:
        raise ShellError("its answer makes no sense")
    if silenced[1] > woken[0] or woken[1] - silenced[0] > MOST_NS:
        raise ShellError("its answer makes no sense")
    found = Calibrated(
        name, shortest_ns, number(answer, "interval_ns"), wanted, sent, self_late,
        late_p50_ns=late_p50_ns, late_p99_ns=late_p99_ns, late_max_ns=late_max_ns,
        true_low_ns=woken[0] - silenced[1], true_high_ns=woken[1] - silenced[0],
        scheduler=one_line(str(answer.get("scheduler", "")), 10),
    )  # fmt: skip
    if answer.get("edges") == []:
        return dataclasses.replace(found, why="it did not see the whole of an outage of known length")
    last_ok, first_fail, last_fail, first_ok = _stamps(answer, "edges", 4)
    if first_ok - last_ok > MOST_NS:
        raise ShellError("its answer makes no sense")
    # How far beyond the bounds the truth lies. The samples' own way there and back is no error of theirs.
    off_ns = max(last_ok - silenced[1], silenced[0] - first_fail, last_fail - woken[1], woken[0] - first_ok, 0)
    off_ns = max(0, off_ns - number(answer, "rtt_ns"))
    return dataclasses.replace(found, low_ns=last_fail - first_fail, high_ns=first_ok - last_ok, off_ns=off_ns)


def _stamps(answer: dict[str, object], key: str, count: int) -> list[int]:
    """So many numbers, none smaller than the one before."""
    given = answer.get(key)
    if not isinstance(given, list) or len(given) != count:
        raise ShellError("its answer makes no sense")
    stamps = [value for value in given if isinstance(value, int) and 0 <= value < 1 << 63]
    if len(stamps) != count or stamps != sorted(stamps):
        raise ShellError("its answer makes no sense")
    return stamps


async def _shell_agent(name: str, shell: Shell, shortest_ns: int) -> Calibrated:
    done = await shell.run(_PING_TIME, timeout_s=START_LIMIT_S + PINGS)
    try:
        began_s, ended_s = (float(word) for word in done.out.split())
    except ValueError:
        raise ShellError("its answer makes no sense") from None
    if not 0 <= ended_s - began_s <= MOST_NS / 1e9:  # NaN too
        raise ShellError("its answer makes no sense")
    return Calibrated(
        name, shortest_ns, late_p50_ns=round((ended_s - began_s) / PINGS * 1000) * 1_000_000, step_ns=STEP_NS,
        why="a shell script probes there: only its clock and how long a ping takes to start can be tried",
    )  # fmt: skip


def trouble(found: Calibrated) -> str:
    """What the operator should do about a vantage that is too slow for its lanes; empty when it is not."""
    text = f"{found.vantage} is slow: its prober sent "
    advice = "longer `intervals` in the scenario, fewer lanes, or a less busy VM helps"
    half_ns = (found.judged_interval_ns or found.shortest_ns) // 2
    if found.why and not found.step_ns:
        return f"{found.vantage} could not be calibrated: {found.why}"
    if found.step_ns:
        if found.late_p50_ns > half_ns:
            return f"{found.vantage} is slow: a ping takes {found.late_p50_ns / 1e6:.0f} ms to start; {advice}"
        return ""
    if found.self_late or found.late_p99_ns > half_ns:
        late = f"up to {found.late_p99_ns / 1e6:.1f} ms late (p99)"
        return f"{text}{late}, and {found.self_late} of {found.wanted} samples too late to count; {advice}"
    if found.off_ns:
        return f"{found.vantage}: an outage of known length lay {found.off_ns / 1e6:.1f} ms beyond what it measured"
    return ""
