# SPDX-License-Identifier: Apache-2.0
"""What the test cloud's hostile names come to in every form: CSV, JSON Lines, Markdown, HTML, JUnit."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from csworkbench.cli import cli
from csworkbench.lab.hostile import TEXTS
from csworkbench.model import event as ev
from csworkbench.results.export import Form, export_run
from tests.measurement.synthetic_run import Plan, SyntheticRun
from tests.recording.run_files import write_events

from .test_harmless import DIRECTION, assert_tame
from .test_report import FETCHING, Elements

FORMULA = tuple("=+-@＝＋－＠")


def recorded(folder: Path, name: str) -> Path:
    """A run whose VMs, network, scenario, events and errors all have that name."""
    events = SyntheticRun(Plan(vms=2, length=14.0, downs={0: ((9.0, 10.0),)})).events()
    scenario = json.dumps({"environment": name, "strategy": name})
    for i, event in enumerate(events):
        body = event.body
        if isinstance(body, ev.RunOpened):
            body = replace(body, run="hostile", name=name, cloud=name, scenario=scenario)
        elif isinstance(body, ev.LaneAdded):
            body = ev.LaneAdded(replace(body.lane, subject=name, target=name))
        elif isinstance(body, ev.InventorySeen):
            body = ev.InventorySeen(replace(body.inventory, network=replace(body.inventory.network, name=name)))
        events[i] = replace(event, body=body)
    more: list[ev.Body] = [
        ev.Notice(ev.Level.WARN, name), ev.CloudEventSeen("1", name, name, name, name, 5),
        ev.VantageLeftOut(name, name), ev.VerdictReached(ev.Verdict.RESTARTED, True, (name,)),
    ]  # fmt: skip
    last = events[-1]
    events += [replace(last, seq=last.seq + i, body=body) for i, body in enumerate(more, 1)]
    folder.mkdir()
    write_events(folder / "run.db", events)
    return folder


@pytest.mark.parametrize("name", TEXTS, ids=ascii)
def test_in_every_form(tmp_path: Path, name: str) -> None:
    run = recorded(tmp_path / "run", name)
    forms = [export_run(run / "run.db", tmp_path / str(form), form) for form in (Form.CSV, Form.JSONL)]
    for path in (path for written in forms for path in written):
        if path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                found = list(csv.reader(file, strict=True))
            assert len({len(row) for row in found}) == 1
            for cell in (cell for row in found for cell in row if not re.fullmatch(r"-?[0-9.]+", cell)):
                assert_tame(cell)
        else:
            tame_json(path)
    for ending in (".html", ".xml", ".jsonl"):
        done = CliRunner().invoke(cli, ["report", str(run), "--to", str(tmp_path / f"r{ending}")])
        assert done.exit_code == 0, done.output
        text = (tmp_path / f"r{ending}").read_text(encoding="utf-8")
        assert not DIRECTION & set(text)
        assert not any((ord(c) < 32 and c != "\n") or 0x7F <= ord(c) <= 0x9F for c in text)
    found_html = Elements((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert not {"script", "img", "a", "link", "iframe", "object"} & set(found_html.tags)
    assert not {key for key, _ in found_html.attributes if key in FETCHING or key.startswith("on")}
    ElementTree.parse(tmp_path / "r.xml")
    tame_json(tmp_path / "r.jsonl")


def tame_json(path: Path) -> None:
    """ASCII without control characters, an object a line; of samples.jsonl no text is a formula either."""
    text = path.read_text(encoding="ascii")
    assert not any(ord(c) < 32 and c != "\n" for c in text)
    for line in text.splitlines() if path.suffix == ".jsonl" else [text]:
        told = json.loads(line)
        if path.name == "samples.jsonl":
            assert not [v for v in told.values() if isinstance(v, str) and v.startswith(FORMULA)]


@pytest.mark.parametrize("form", ["markdown", "csv", "table", "table-html", "text"])
@pytest.mark.parametrize("name", TEXTS[:4], ids=ascii)
def test_in_every_comparison(tmp_path: Path, name: str, form: str) -> None:
    run = recorded(tmp_path / "run", name)
    state = run / "run.db"
    events = SyntheticRun(Plan(vms=1)).events()
    (tmp_path / "other").mkdir()
    write_events(tmp_path / "other" / "run.db", events)
    done = CliRunner().invoke(cli, ["compare", str(tmp_path / "other"), str(state), "--form", form])
    assert done.exit_code == 0, done.output
    assert not DIRECTION & set(done.stdout)
    assert not any(ord(c) < 32 and c != "\n" for c in done.stdout)
    assert "<script" not in done.stdout or form in ("csv", "text")
    if form == "csv":
        for row in csv.reader(done.stdout.splitlines(), strict=True):
            assert not [cell for cell in row if cell.startswith(FORMULA) and not re.fullmatch(r"-[0-9.]+", cell)]
