# SPDX-License-Identifier: Apache-2.0
"""Hostile text in exports and reports; times and figures as text."""

import csv
import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.model import event as ev
from csworkbench.results.export import export_run
from csworkbench.results.headline import text_report
from csworkbench.results.run_result import load_result
from csworkbench.results.tables import harmless, printable
from csworkbench.results.times import rfc3339, seconds, seconds_text
from tests.measurement.synthetic_run import Plan, SyntheticRun
from tests.recording.run_files import write_events

NAMES = [
    "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", " =1+1", "\xa0=1+1", "\u3000@x",
    "＝1+1", "＋1", "－1", "＠x", "\x1b[2J\x1b]0;own\x07", "\x9b31m", "abc\u202egpj.exe", "\u200e\u200f\u061c=1",
    "\u2066x\u2069", "\ud800", "x\udfff", "<script>alert(1)</script>", 'a,"b"\r\nc', "\u2028x\u2029", "\x00", "\x7f",
]  # fmt: skip
DIRECTION = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")


def assert_tame(text: str) -> None:
    assert not any(unicodedata.category(c) in ("Cc", "Cs") or c in DIRECTION for c in text)
    assert text.lstrip()[:1] not in tuple("=+-@＝＋－＠")
    text.encode("utf-8")


@pytest.mark.parametrize("text", NAMES, ids=ascii)
def test_no_formula_and_no_command_is_left(text: str) -> None:
    assert_tame(harmless(text))


@given(st.text(st.characters() | st.sampled_from("=+-@\t\r\x1b\u202e\ud800 ＝"), max_size=20))
def test_whatever_the_text(text: str) -> None:
    assert_tame(harmless(text))
    assert harmless(harmless(text)) == harmless(text)


@pytest.mark.parametrize("text", ["", "vm01", "10.1.1.1", "a-b", "übung 日本", "it's", "x=1", "<b>"])
def test_decent_text_stays_as_it_is(text: str) -> None:
    assert harmless(text) == printable(text) == text


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_hostile_vm_name_and_server_text_in_every_file(tmp_path: Path, name: str) -> None:
    events = SyntheticRun(Plan(vms=1, length=14.0, downs={0: ((9.0, 10.0),)})).events()
    hostile: list[ev.Body] = [
        ev.CloudEventSeen("1", name, name, name, name, 5), ev.Notice(ev.Level.INFO, name),
        ev.JobChanged("9", name, ev.JobStatus.FAILED, 1, 2, 530, name), ev.VantageLeftOut(name, name),
        ev.OperatorActed(name, name), ev.ApiCalled(name, {}, "GET", 1, 2, 200, name),
        ev.VerdictReached(ev.Verdict.FAILED, False, (name,)),
    ]  # fmt: skip
    last = events[-1]
    events += [replace(last, seq=last.seq + i, body=body) for i, body in enumerate(hostile, 1)]
    for i, event in enumerate(events):
        if isinstance(event.body, ev.LaneAdded):
            lane = replace(event.body.lane, subject=name, target=name)
            events[i] = replace(event, body=ev.LaneAdded(lane))
        elif isinstance(event.body, ev.RunOpened):
            events[i] = replace(event, body=replace(event.body, run=name, name=name))
    write_events(tmp_path / "run.db", events)
    for path in export_run(tmp_path / "run.db", tmp_path / "out"):
        if path.suffix == ".json":
            assert path.read_bytes().isascii()
            continue
        with path.open(newline="", encoding="utf-8") as file:
            found = list(csv.reader(file, strict=True))
        assert len({len(row) for row in found}) == 1
        for row in found[1:]:
            for cell in row:
                if not re.fullmatch(r"-?[0-9.]+", cell):
                    assert_tame(cell)
    text = text_report(load_result(tmp_path / "run.db"))
    assert all(c == "\n" or unicodedata.category(c) not in ("Cc", "Cs") for c in text)
    assert not DIRECTION & set(text)


def test_times_are_utc_with_microseconds() -> None:
    assert rfc3339(1_795_183_391_420_000_999) == "2026-11-20T14:03:11.420000Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000000Z"
    assert rfc3339(-1) == "1969-12-31T23:59:59.999999Z"
    assert rfc3339(-(10**18) * 40) == "0702-06-15T00:53:20.000000Z"


@given(st.integers(-(10**30), 10**30))
def test_a_time_is_a_date_or_nothing(wall_ns: int) -> None:
    assert re.fullmatch(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z)?", rfc3339(wall_ns))


@given(st.integers(0, 10**15))
def test_durations_are_the_same_in_csv_and_json(ns: int) -> None:
    assert f"{seconds(ns):.3f}" == seconds_text(ns)
    assert abs(float(seconds_text(ns)) - ns / 1e9) <= 0.0005001
