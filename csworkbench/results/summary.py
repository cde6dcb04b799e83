# SPDX-License-Identifier: Apache-2.0
"""summary.json: what `run --json` and `show --json` print."""

from collections.abc import Sequence
from statistics import fmean, median
from typing import Any

from csworkbench.measurement.arp_report import ArpReport
from csworkbench.measurement.outage import Outage
from csworkbench.measurement.totals import LaneReport, ServiceReport
from csworkbench.model.lane import Service
from csworkbench.model.state import JobState

from .answers import answers_of
from .arp import egress_json, gateway_json, quiet_json, split_json
from .evidence import evidence_json
from .facts import blind, clock_steps, counted, distance, run_totals, server_clock
from .run_result import RunResult
from .times import rfc3339, seconds
from .uncertainty import calibration


def summarise(result: RunResult) -> dict[str, Any]:
    """One run's summary, in the contract's keys; more are only ever added."""
    state, arp = result.state, ArpReport(result.state, result.analysis)
    return {
        "run": result.run,
        "name": state.opened.name if state.opened else "",
        "verdict": result.verdict,
        "reasons": list(state.verdict.reasons) if state.verdict else [],
        "missing_records": state.missing_records,
        "services": {
            str(s): _service(report)
            | (egress_json(arp) if s is Service.EGRESS else {})
            | (gateway_json(result, arp) if s is Service.GATEWAY else {})
            for s, report in result.services().items()
        },
        "lanes": [_lane(result, arp, report) for report in result.lanes()],
        "jobs": [_job(job) for job in state.jobs.values()],
        "vantages": [
            {"name": v.vantage.name, "kind": str(v.vantage.kind), "sentinel": v.vantage.sentinel,
             "path": str(v.vantage.path), "tier": v.started.tier if v.started else None,
             "sees": list(v.started.sees) if v.started else [],
             "cannot_see": list(v.started.cannot_see) if v.started else [], "channel_losses": v.losses,
             "clock_bound_ms": round(result.analysis.bound_ns(v.vantage.name) / 1e6, 3),
             "missing_records": v.collected.missing if v.collected else None, **quiet_json(v),
             "calibration": calibration(v, result.analysis.bound_ns(v.vantage.name))}
            for v in state.vantages.values()
        ],
        "left_out": [{"name": left.name, "why": left.why} for left in state.left_out],
        "lanes_left_out": [
            {"service": str(left.service), "what": left.what, "why": left.why,
             "lane": left.lane if left.lane >= 0 else None}
            for left in state.lanes_left_out
        ],
        "warnings": result.cautions(),
        "run_totals": run_totals(result),
        "server_clock": server_clock(state),
        "clock_steps": clock_steps(result),
        "evidence": evidence_json(state),
    }  # fmt: skip


def summarise_many(summaries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """`--repeat`: all runs and, per service, what they come to. Never adds lanes up."""
    services: dict[str, list[float]] = {}
    for summary in summaries:
        for name, figures in summary["services"].items():
            services.setdefault(name, []).append(figures["down_s"])
    folded = {
        name: {
            "n": len(values), "mean_s": round(fmean(values), 3), "median_s": round(median(values), 3),
            "lowest_s": min(values), "highest_s": max(values),
        }
        for name, values in services.items()
    }  # fmt: skip
    verdicts = [summary["verdict"] for summary in summaries]
    return {"runs": list(summaries), "summary": {"n": len(summaries), "verdicts": verdicts, "services": folded}}


def _service(report: ServiceReport) -> dict[str, Any]:
    return {
        "down_s": seconds(report.down_ns), "low_s": seconds(report.low_ns), "high_s": seconds(report.high_ns),
        "longest_s": seconds(report.longest_ns), "outages": report.outages, "worst": report.worst or None,
        "median_s": seconds(report.median_ns), "hit": report.hit, "lanes": report.lanes, "open": report.open,
        "any_down_s": seconds(report.any_down_ns), "all_down_s": seconds(report.all_down_ns),
        "by_loss_s": seconds(report.by_loss_ns), "intermittent": report.intermittent,
        "ambiguous_s": seconds(report.ambiguous_ns), "ambiguous": report.ambiguous,
        "blind_s": seconds(report.blind_ns), "median_vm_s": seconds(report.median_vm_ns),
        "vms": report.vms, "vms_hit": report.vms_hit, "share_hit": round(report.vms_hit / report.vms, 3),
        "onset_after_job_s": distance(report.onset_after_job), "end_after_job_s": distance(report.end_after_job),
    }  # fmt: skip


def _lane(result: RunResult, arp: ArpReport, report: LaneReport) -> dict[str, Any]:
    lane = report.lane
    answers = answers_of(result, lane.id)
    return {
        "lane": lane.id, "service": str(lane.service), "prober": str(lane.prober), "flow": lane.flow,
        "vantage": lane.vantage, "subject": lane.subject, "target": lane.target, "port": lane.port,
        "headline": lane.headline, "interval_s": lane.interval_ns / 1e9,
        "sent": report.sent, "ok": report.ok, "fail": report.fail, "unknown": report.unknown,
        "down_s": seconds(report.down_ns), "low_s": seconds(report.low_ns), "high_s": seconds(report.high_ns),
        "by_loss_s": seconds(report.by_loss_ns), "intermittent": report.intermittent, "open": report.open,
        "baseline_rtt_ms": round(report.baseline.median_ns / 1e6, 3) if report.baseline else None,
        "outages": [
            _outage(result, outage) | (split_json(arp.split(outage)) if arp.splittable(lane) else {})
            for outage in report.outages
        ],
        "counts": not (lane.heartbeat or result.state.lanes[lane.id].left_out),
        "answers": None if answers is None else
        {"before": answers.before, "after": answers.after, "changed": answers.changed},
        "longest_s": seconds(report.longest_ns), "ambiguous_s": seconds(report.ambiguous_ns),
        "blind_s": seconds(report.blind_ns), "blind": [blind(result, b) for b in report.blind],
        "onset_after_job_s": distance(report.onset_after_job), "end_after_job_s": distance(report.end_after_job),
    }  # fmt: skip


def _outage(result: RunResult, outage: Outage) -> dict[str, Any]:
    state = result.state
    return {
        "start": rfc3339(state.wall_ns(outage.start_ns)), "start_ns": outage.start_ns,
        "end": rfc3339(state.wall_ns(outage.end_ns)) if outage.end_ns else None, "end_ns": outage.end_ns or None,
        "down_s": seconds(outage.down_ns), "low_s": seconds(outage.low_ns), "high_s": seconds(outage.high_ns),
        "lost": outage.lost, "reason": outage.reason.text, "blip": outage.blip, "open": outage.open,
        "reasons": counted(outage.causes, state.lanes[outage.lane].lane), "late": outage.late,
        "unknown": counted(outage.unknown, state.lanes[outage.lane].lane),
        "ambiguous": outage.ambiguous, "ambiguous_s": seconds(outage.ambiguous_ns),
        "clock_bound_ms": round(outage.clock_ns / 1e6, 3),
    }  # fmt: skip


def _job(job: JobState) -> dict[str, Any]:
    ended = job.ended
    began = job.changes[0].first_new_ns if job.changes else 0
    return {
        "job": job.job, "command": job.command, "status": str(job.status),
        "seconds": round((ended.first_new_ns - began) / 1e9, 1) if ended else None,
        "ended_after_ns": ended.last_old_ns if ended else None,
        "ended_before_ns": ended.first_new_ns if ended else None,
    }  # fmt: skip
