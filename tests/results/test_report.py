# SPDX-License-Identifier: Apache-2.0
"""Reports: one HTML file that fetches nothing and lets no name be markup, and JUnit for pipelines."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from csworkbench.cli import cli
from csworkbench.model import event as ev
from csworkbench.recording.writer import RunFileWriter
from csworkbench.results.comparison import compare
from csworkbench.results.report.junit import junit
from csworkbench.results.report.page import page
from csworkbench.results.run_result import RunResult, analyse
from tests.measurement.synthetic_run import Plan, SyntheticRun, budget, folded

HOSTILE = "</text><script>alert(1)</script><img src=http://evil.example/x>\x1b[31m"
FETCHING = {"src", "href", "xlink:href", "action", "data", "poster", "srcset", "background", "formaction"}


class Elements(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def synthetic(name: str = "one", subject: str = "", **plan: object) -> RunResult:
    """A run with an egress outage of 2.5 s; `subject` renames its VM."""
    events = SyntheticRun(Plan(vms=2, downs={0: ((9.0, 11.5),)}, **plan)).events()  # type: ignore[arg-type]
    changed = []
    for event in events:
        body = event.body
        if isinstance(body, ev.RunOpened):
            body = replace(body, run=name, name=subject or name)
        if isinstance(body, ev.LaneAdded) and subject:
            body = ev.LaneAdded(replace(body.lane, subject=subject))
        changed.append(replace(event, body=body))
    return analyse(folded(changed))


def test_the_figures_are_there_and_the_same_every_time() -> None:
    results = [synthetic("one"), synthetic("two")]
    text = page(results, compare(results), "Downtime")
    found = Elements(text)
    assert found.tags.count("svg") == 2 + 3  # a timeline each, a chart for each service
    for words in ("Run one", "Run two", "restarted", "2.50 s [", "Comparison", "0 missing records", "restartNetwork"):
        assert words in found.text, words
    assert text == page(results, compare(results), "Downtime")
    ElementTree.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])


def test_nothing_is_fetched_and_no_name_is_markup() -> None:
    results = [synthetic("one", HOSTILE), synthetic(HOSTILE, HOSTILE)]
    text = page(results, compare(results), HOSTILE)
    found = Elements(text)
    assert not {"script", "img", "iframe", "link", "object", "embed", "base"} & set(found.tags)
    assert not {name for name, _ in found.attributes if name in FETCHING or name.startswith("on")}
    policy = next(value for name, value in found.attributes if name == "content" and value and "src" in value)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert "url(" not in text
    assert "@import" not in text
    assert "\x1b" not in text
    assert "<script>alert(1)</script>" in found.text  # as text


def test_an_unfinished_run_and_one_without_lanes() -> None:
    unfinished = SyntheticRun(Plan(vms=1, downs={0: ((9.0, 30.0),)})).events()
    cut = [e for e in unfinished if not isinstance(e.body, ev.VerdictReached | ev.RunClosed | ev.SpoolCollected)]
    assert "still down" in page([analyse(folded(cut))], None, "x")
    assert "unfinished" in page([analyse(folded(unfinished[:1]))], None, "x")


def test_junit_fails_on_budgets_and_verdicts() -> None:
    within = synthetic("good", scenario=budget(egress=5.0))
    over = synthetic("bad", scenario=budget(egress=1.0), verdict=ev.Verdict.CHANGED_NOTHING)
    root = ElementTree.fromstring(junit([within, over]))
    good, bad = root.findall("testsuite")
    assert (good.get("failures"), bad.get("failures")) == ("0", "2")
    failed = {case.get("name"): case[0].get("message") for case in bad if len(case)}
    assert set(failed) == {"verdict", "egress"}
    assert "its budget is 1 s" in (failed["egress"] or "")
    assert good.get("tests") == str(len(good))


@pytest.mark.parametrize(
    ("ending", "holds"),
    [(".html", "<!DOCTYPE html>"), (".xml", "<testsuite "), (".md", "## egress"), (".jsonl", '"run": ')],
)
def test_the_command_writes_what_the_ending_says(tmp_path: Path, ending: str, holds: str) -> None:
    file = tmp_path / "run.db"
    writer = RunFileWriter(file, {"run": "x", "name": "x"})
    for event in SyntheticRun(Plan(vms=1, downs={0: ((9.0, 10.0),)})).events():
        writer.write(event.body)
    writer.close()
    target = tmp_path / f"report{ending}"
    done = CliRunner().invoke(cli, ["report", str(file), "--to", str(target)])
    assert done.exit_code == 0, done.output
    assert holds in target.read_text()
    wrong = CliRunner().invoke(cli, ["report", str(file), "--to", str(tmp_path / "report.pdf")])
    assert wrong.exit_code == 2
