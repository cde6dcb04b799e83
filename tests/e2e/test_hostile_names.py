# SPDX-License-Identifier: Apache-2.0
"""A real run on a test cloud whose display names are hostile: every form of its results is harmless."""

import csv
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from csworkbench.cli import cli
from tests.lab.support import running_cloud
from tests.results.test_harmless import DIRECTION, assert_tame
from tests.results.test_report import FETCHING, Elements

pytestmark = [pytest.mark.lab, pytest.mark.slow]
SCENARIO = """\
name: "=1+1 <script>alert(1)</script> [x](http://evil.example)"
cloud: lab
network: probe-net
operation: {restart: {cleanup: true}}
environment: "@SUM(A1) <b>"
vantages: {tenants: {vms: all, quiet: none}, outside: {at: local}}
lanes: [egress, ingress]
phases: {warmup: 1s, baseline: 2s, confirm: 2s, settle_limit: 1m, calibrate: 0s}
"""


def test_a_real_run_with_hostile_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.yaml").write_text(SCENARIO)
    with running_cloud(tmp_path / "lab", "--vms", "3", "--scale", "0", "--hostile-names"):
        monkeypatch.setenv("CSWORKBENCH_LAB_DIR", str(tmp_path / "lab"))
        done = CliRunner().invoke(cli, ["run", str(tmp_path / "x.yaml"), "--yes", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert not DIRECTION & set(done.output)
    assert not any(ord(c) < 32 and c != "\n" for c in done.output)
    for path in (tmp_path / "out").glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            for cell in (cell for row in csv.reader(file, strict=True) for cell in row):
                if not re.fullmatch(r"-?[0-9.]+", cell):
                    assert_tame(cell)
    assert json.loads((tmp_path / "out" / "summary.json").read_text(encoding="ascii"))["verdict"] == "restarted"
    for ending in (".html", ".xml", ".jsonl", ".md"):
        page = tmp_path / f"r{ending}"
        assert CliRunner().invoke(cli, ["report", "last", "--to", str(page)]).exit_code == 0
        text = page.read_text(encoding="utf-8")
        assert not DIRECTION & set(text)
        assert not any(ord(c) < 32 and c != "\n" for c in text)
        assert "<script" not in text or ending == ".jsonl"
    found = Elements((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert not {"script", "img", "a"} & set(found.tags)
    assert not {key for key, _ in found.attributes if key in FETCHING or key.startswith("on")}
    ElementTree.parse(tmp_path / "r.xml")
