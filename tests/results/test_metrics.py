# SPDX-License-Identifier: Apache-2.0
"""A run as Prometheus metrics: valid text whatever happened, the figures of the summary, and no more than is useful."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from csworkbench.config import yaml12
from csworkbench.measurement.analysis import Analysis
from csworkbench.model import event as ev
from csworkbench.model.event import ChannelState, Event
from csworkbench.model.lane import Lane, Prober, Service, Vantage, VantageKind
from csworkbench.model.state import RunState, apply
from csworkbench.recording.reader import load_state
from csworkbench.results import metrics
from csworkbench.results.exporter import RunCollector
from csworkbench.results.metrics import SPECS, Counts, metrics_of
from csworkbench.results.run_result import analyse
from csworkbench.results.summary import summarise
from tests.measurement.synthetic_run import Plan, SyntheticRun, folded

ROOT = Path(__file__).resolve().parents[2]
STORY = SyntheticRun(Plan(vms=2, downs={0: ((9.0, 10.0), (12.0, 12.4)), 200: ((9.0, 9.5),)}, missing=3)).events()
HOSTILE = 'a"b\\c\n{}\x1b[2J\ud800\x00\u202e' + "x" * 1000
Told = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def told(text: str) -> Told:
    found: Told = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found, "told twice"
            found[key] = sample.value
    return found


def scraped(collector: RunCollector) -> Told:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return told(generate_latest(registry).decode())


def of(events: list[Event]) -> RunCollector:
    collector = RunCollector()
    collector.feed(events)
    return collector


def value(found: Told, name: str, **labels: str) -> float:
    (only,) = [v for (n, words), v in found.items() if n == name and labels.items() <= dict(words).items()]
    return only


def test_the_metrics_of_a_finished_run_are_its_summary() -> None:
    found, summary = scraped(of(STORY)), summarise(analyse(folded(STORY)))
    for name, figures in summary["services"].items():
        for bound, key in (("estimate", "down_s"), ("low", "low_s"), ("high", "high_s")):
            metric = value(found, "csworkbench_service_downtime_seconds", service=name, bound=bound)
            assert metric == pytest.approx(figures[key], abs=0.0005)
        assert value(found, "csworkbench_service_lanes", service=name) == figures["lanes"]
    for lane in summary["lanes"]:
        label = str(lane["lane"])
        assert value(found, "csworkbench_lane_probes_total", lane=label, outcome="ok") == lane["ok"]
        assert value(found, "csworkbench_lane_probes_total", lane=label, outcome="fail") == lane["fail"]
        seconds = value(found, "csworkbench_outage_seconds_total", lane=label)
        assert seconds == pytest.approx(lane["down_s"], abs=0.0005)
        assert value(found, "csworkbench_lane_outages_total", lane=label) == len(lane["outages"])
        assert value(found, "csworkbench_lane_up", lane=label) == 1
    assert summary["lanes"][0]["down_s"] > 1, "there is something to compare"
    assert value(found, "csworkbench_run_phase", phase="done") == 1
    assert value(found, "csworkbench_run_verdict", verdict="restarted") == 1
    assert value(found, "csworkbench_missing_records_total", vantage="vm00") == 3
    (job,) = summary["jobs"]
    assert value(found, "csworkbench_job_state", job_id=job["job"], state="succeeded") == 1
    assert value(found, "csworkbench_job_duration_seconds") == pytest.approx(job["seconds"], abs=0.05)
    assert value(found, "csworkbench_clock_bound_seconds", vantage="vm01") > 0


def test_a_lane_is_down_while_its_outage_goes_on() -> None:
    story = SyntheticRun(Plan(vms=2, downs={0: ((9.0, 13.0),)})).events()
    cut = next(i for i, event in enumerate(story) if event.at_ns > story[0].at_ns + 12e9)
    collector = of(story[:cut])
    found = scraped(collector)
    assert value(found, "csworkbench_lane_up", lane="0") == 0
    assert value(found, "csworkbench_lane_open_outage_seconds", lane="0") > 0.5
    assert value(found, "csworkbench_service_lanes_down", service="egress") == 1
    assert value(found, "csworkbench_lane_up", lane="1") == 1
    collector.feed(story[cut:])
    found = scraped(collector)
    assert value(found, "csworkbench_lane_open_outage_seconds", lane="0") == 0
    assert value(found, "csworkbench_service_lanes_down", service="egress") == 0


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, len(STORY)), max_size=6))
def test_at_every_moment_the_text_is_valid_and_counters_only_grow(cuts: list[int]) -> None:
    collector, before, done = RunCollector(), Told(), 0
    for cut in sorted({*cuts, len(STORY)}):
        collector.feed(STORY[done:cut])
        done = cut
        found = scraped(collector)
        for key in (key for key in before if key[0].endswith("_total")):
            assert found[key] >= before[key], key
        before = found
    assert before == scraped(of(STORY)), "it does not matter when somebody scraped, but for rounding upwards"


def test_names_labels_and_types_are_those_of_the_table() -> None:
    text = _text(folded(STORY))
    families = {f.name: f for f in text_string_to_metric_families(text)}
    assert len({spec.name for spec in SPECS}) == len(SPECS) == len(families)
    for spec in SPECS:
        family = families[spec.name.removesuffix("_total")]
        assert family.type == ("counter" if spec.counter else "gauge")
        assert family.documentation == spec.help
        for sample in family.samples:
            assert sample.name == spec.name
            assert sorted(sample.labels) == sorted(spec.labels)
        assert re.fullmatch(r"csworkbench_[a-z_]+", spec.name)
        assert not re.search(r"_(ms|ns|millis|minutes|percent)", spec.name), "base units"
    silent = {spec.name for spec in SPECS if not families[spec.name.removesuffix("_total")].samples}
    assert silent == set(), "each of them is told of such a run"


def test_hostile_names_stay_labels_and_are_bounded() -> None:
    state = RunState()
    apply(state, Event(1, 1, 1, ev.RunOpened(HOSTILE, HOSTILE, "1", HOSTILE, HOSTILE, "{}")))
    apply(state, Event(2, 2, 2, ev.VantageAdded(Vantage(HOSTILE, VantageKind.TENANT))))
    lane = Lane(1, Service.EGRESS, Prober.ICMP, HOSTILE, HOSTILE, 10, 10, subject=HOSTILE)
    apply(state, Event(3, 3, 3, ev.LaneAdded(lane)))
    apply(state, Event(4, 4, 4, ev.JobChanged(HOSTILE, HOSTILE, ev.JobStatus.PENDING, 1, 2)))
    found = told(_text(state))
    names = {name for name, _ in found}
    assert names <= {spec.name for spec in SPECS}
    for _, labels in found:
        for _, text in labels:
            assert len(text) < 1000
            assert text.isprintable() or "\n" not in text
    assert value(found, "csworkbench_channel_up") == 0


def test_there_is_an_end_to_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_LANES", 3)
    monkeypatch.setattr(metrics, "MOST_JOBS", 2)
    monkeypatch.setattr(metrics, "MOST_VANTAGES", 1)
    state = folded(STORY)
    for n in range(5):
        apply(state, Event(10**6 + n, n, n, ev.JobChanged(f"j{n}", "x", ev.JobStatus.PENDING, 1, 2)))
    found = told(_text(state))
    count = {name: len([1 for n, _ in found if n == name]) for name in {n for n, _ in found}}
    assert count["csworkbench_lane_probes_total"] == 9
    assert value(found, "csworkbench_lanes_left_out") == len(state.lanes) - 3
    assert count["csworkbench_channel_up"] == 1
    assert {dict(labels)["job_id"] for n, labels in found if n == "csworkbench_job_state"} == {"j3", "j4"}


def test_losses_and_reopenings_of_a_channel() -> None:
    collector = RunCollector()
    open_, lost, quiet = ChannelState.OPEN, ChannelState.LOST, ChannelState.QUIET
    states = [open_, lost, open_, quiet, ChannelState.OPENING, open_, lost, lost, open_, lost, ChannelState.CLOSED]
    begin = [e for e in STORY if isinstance(e.body, ev.RunOpened | ev.VantageAdded)]
    collector.feed([*begin, *(Event(99 + n, 1, 1, ev.ChannelChanged("vm00", s)) for n, s in enumerate(states))])
    found = scraped(collector)
    assert value(found, "csworkbench_channel_lost_total", vantage="vm00") == 4
    assert value(found, "csworkbench_channel_reopened_total", vantage="vm00") == 2
    assert value(found, "csworkbench_channel_up", vantage="vm00") == 0


def test_a_server_may_ask_for_some_of_them() -> None:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(of(STORY))
    asked = registry.restricted_registry(["csworkbench_lane_up", "csworkbench_api_calls_total"])
    names = {name for name, _ in told(generate_latest(asked).decode())}
    assert names == {"csworkbench_lane_up", "csworkbench_api_calls_total"}


def test_nothing_is_told_before_a_run_and_the_next_one_begins_anew() -> None:
    collector = RunCollector()
    assert scraped(collector) == {}
    collector.feed(STORY)
    collector.begin()
    assert scraped(collector) == {}
    collector.feed(STORY[:50])
    assert value(scraped(collector), "csworkbench_run_verdict", verdict="restarted") == 0


def test_the_sample_runs_can_be_told() -> None:
    for file in sorted((ROOT / "samples/runs").glob("*/run.db")):
        state = load_state(file)
        found = told(_text(state))
        summary = summarise(analyse(state))
        for name, figures in summary["services"].items():
            metric = value(found, "csworkbench_service_downtime_seconds", service=name, bound="estimate")
            assert metric == pytest.approx(figures["down_s"], abs=0.0005)


def _text(state: RunState) -> str:
    analysis, counts = Analysis(state), Counts()
    analysis.finish()
    counts.update(state)

    class Once(RunCollector):
        def collect(self) -> list[Metric]:
            return metrics_of(state, analysis, counts)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Once())
    return generate_latest(registry).decode()


def queries(node: object) -> list[str]:
    """Every PromQL expression of a dashboard."""
    if isinstance(node, dict):
        own = [str(v) for k, v in node.items() if k in ("expr", "query") and isinstance(v, str)]
        return own + [q for v in node.values() for q in queries(v)]
    return [q for v in node for q in queries(v)] if isinstance(node, list) else []


def test_the_dashboard_asks_only_for_what_there_is() -> None:
    dashboard = json.loads((ROOT / "samples/grafana/csworkbench.json").read_text())
    labels = {spec.name: set(spec.labels) for spec in SPECS}
    asked = queries(dashboard)
    used = {name for query in asked for name in re.findall(r"csworkbench_\w+", query)}
    assert used <= set(labels), used - set(labels)
    assert len(used) > 15
    for query in asked:
        names = re.findall(r"csworkbench_\w+", query)
        known = {label for name in names for label in labels[name]} | {"instance"}
        for name, inside in re.findall(r"(csworkbench_\w+)\{([^}]*)\}", query):
            found = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))
            assert found <= labels[name] | {"instance"}, query
        for inside in re.findall(r"\b(?:by|without|on|ignoring|group_left)\s*\(([^)]*)\)", query):
            assert {word.strip() for word in inside.split(",") if word.strip()} <= known, query
        for label in re.findall(r"label_values\([^,]+,\s*(\w+)\)", query):
            assert label in known, query
    for legend in re.findall(r"\{\{\s*(\w+)\s*\}\}", json.dumps(dashboard)):
        assert any(legend in words for words in labels.values()), legend


def test_the_dashboard_can_be_imported() -> None:
    dashboard = json.loads((ROOT / "samples/grafana/csworkbench.json").read_text())
    panels = [p for p in dashboard["panels"] if p["type"] != "row"]
    assert len({p["id"] for p in dashboard["panels"]}) == len(dashboard["panels"])
    assert dashboard["title"]
    assert dashboard["schemaVersion"] >= 36
    assert dashboard["id"] is None
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        box = panel["gridPos"]
        cells = {(x, y) for x in range(box["x"], box["x"] + box["w"]) for y in range(box["y"], box["y"] + box["h"])}
        assert not cells & taken, f"{panel['title']} lies over another one"
        assert box["x"] + box["w"] <= 24
        taken |= cells
    for panel in panels:
        assert panel["targets"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["description"], panel["title"]


def test_the_scrape_sample_is_one_for_prometheus() -> None:
    document = yaml12.load(ROOT / "samples/grafana/prometheus.yml").value
    (job,) = document["scrape_configs"]
    assert job["job_name"] == "csworkbench"
    assert job["static_configs"] == [{"targets": ["127.0.0.1:9400"]}]
    assert job.get("metrics_path", "/metrics") == "/metrics"


def test_every_metric_stands_in_the_documentation_as_the_code_has_it() -> None:
    text = (ROOT / "docs/metrics.md").read_text()
    rows = re.findall(r"^\| `(csworkbench_\w+)` \| (counter|gauge) \| (.*?) \| (.*?) \|$", text, re.M)
    assert rows == [
        (s.name, "counter" if s.counter else "gauge", labels_text(s.labels), s.help) for s in SPECS
    ]  # fmt: skip


def labels_text(labels: tuple[str, ...]) -> str:
    if labels[: len(metrics.LANE)] == metrics.LANE:
        return ", ".join(["LANE", *(f"`{label}`" for label in labels[len(metrics.LANE) :])])
    return ", ".join(f"`{label}`" for label in labels)


def test_the_table_of_what_a_lane_is_called() -> None:
    text = (ROOT / "docs/metrics.md").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("LANE stands for")]
    assert tuple(re.findall(r"`(\w+)`", line)) == metrics.LANE
