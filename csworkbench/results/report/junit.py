# SPDX-License-Identifier: Apache-2.0
"""JUnit XML: a test case per service with its budget, so that a pipeline fails when a run is over it."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from csworkbench.model.event import SUCCESSES
from csworkbench.results.budget import budget_of
from csworkbench.results.headline import bounds
from csworkbench.results.run_result import RunResult
from csworkbench.results.times import rfc3339, seconds

from .elements import element


def junit(results: Sequence[RunResult]) -> str:
    """One suite per run: the verdict, then each service."""
    suites = Element("testsuites", {"name": "csworkbench"})
    for result in results:
        suites.append(_suite(result))
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suites, encoding="unicode") + "\n"


def _suite(result: RunResult) -> Element:
    state, budget = result.state, budget_of(result.state)
    cases = [_case("verdict", result.run, 0, "" if _passed(result) else _why(result))]
    for service, report in result.services().items():
        limit_s = budget.get(str(service))
        over = limit_s is not None and report.down_ns > limit_s * 1e9
        told = bounds(report.down_ns, report.low_ns, report.high_ns)
        failure = (
            f"down {told}, its budget is {limit_s:g} s" if over else f"still down after {told}" if report.open else ""
        )
        cases.append(_case(str(service), result.run, report.down_ns, failure))
    failed = sum(len(case) > 0 for case in cases)
    suite = element(
        "testsuite", name=result.run, tests=len(cases), failures=failed, errors=0, skipped=0,
        time=sum(float(case.get("time", 0)) for case in cases), timestamp=rfc3339(state.started_wall_ns)[:19],
    )  # fmt: skip
    suite.extend(cases)
    return suite


def _case(name: str, run: str, down_ns: int, failure: str) -> Element:
    case = element("testcase", name=name, classname=f"csworkbench.{run}", time=seconds(down_ns))
    if failure:
        SubElement(case, "failure", {"message": failure}).text = failure
    return case


def _passed(result: RunResult) -> bool:
    verdict = result.state.verdict
    return verdict is not None and verdict.verdict in SUCCESSES


def _why(result: RunResult) -> str:
    reasons = result.state.verdict.reasons if result.state.verdict else ()
    return element("failure", message="; ".join((result.verdict, *reasons))).get("message", "")
