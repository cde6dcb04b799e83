# SPDX-License-Identifier: Apache-2.0
"""The bytes of a redacted run file, and its figures."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from csworkbench.model.pseudonyms import Pseudonyms
from csworkbench.recording.reader import RunFileReader, load_state
from csworkbench.recording.redact import learned, redact_file, redacted_states
from csworkbench.results.run_result import analyse, load_result
from csworkbench.results.summary import summarise

RUN = Path(__file__).resolve().parents[2] / "samples" / "runs" / "parallel-restart" / "run.db"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("out") / "copy.db"
    redact_file(RUN, path)
    return path


def test_no_name_or_address_is_left_in_the_bytes_of_the_file(copy: Path) -> None:
    data = copy.read_bytes()
    inventory = load_state(RUN).before
    assert inventory is not None
    words = {
        inventory.network.name, inventory.network.id, inventory.network.gateway, inventory.network.domain,
        *(v for r in inventory.routers for v in (r.name, r.id, r.guest_mac, r.guest_ip, r.public_ip)),
        *(v for vm in inventory.vms for v in (vm.name, vm.id, vm.ip, vm.mac)), *inventory.public_ips,
    } - {""}  # fmt: skip
    assert len(words) > 15
    whole = RUN.read_bytes()
    for word in words:
        assert word.encode() in whole, word
        assert not re.search(rb"(?<![\w.])" + re.escape(word.encode()) + rb"(?![\w.])", data), word
    for word in learned([RUN]).names.originals:
        if len(word) > 20:  # texts of the API
            assert json.dumps(word)[1:-1].encode() not in data, word
    assert data[18:20] == b"\x01\x01", "not in WAL mode: one file to pass on"
    assert [p.name for p in copy.parent.iterdir()] == ["copy.db"]


def test_times_figures_and_verdict_stay(copy: Path) -> None:
    names = learned([RUN]).names
    before, after = summarise(load_result(RUN)), summarise(load_result(copy))
    assert _figures(before) == _figures(after)
    assert (before["verdict"], len(before["reasons"])) == (after["verdict"], len(after["reasons"]))
    for old, new in zip(before["vantages"], after["vantages"], strict=True):
        assert new["name"] == names.name(old["name"])
    assert before["vantages"][0]["name"] != after["vantages"][0]["name"]


def _figures(value: Any) -> Any:
    """All of a summary but its texts; times of day are kept."""
    if isinstance(value, dict):
        return {key: _figures(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_figures(part) for part in value]
    return value if not isinstance(value, str) or re.match(r"\d{4}-\d\d-\d\dT", value) else "text"


def test_every_event_keeps_its_times_and_its_place(copy: Path) -> None:
    readers = RunFileReader(RUN), RunFileReader(copy)
    try:
        before, after = ([(e.seq, e.at_ns, e.wall_ns, type(e.body)) for e in reader] for reader in readers)
        assert before == after
    finally:
        for reader in readers:
            reader.close()


def test_what_is_there_is_not_replaced(copy: Path) -> None:
    before = copy.read_bytes()
    with pytest.raises(FileExistsError):
        redact_file(RUN, copy)
    assert copy.read_bytes() == before


def test_runs_of_one_report_share_their_pseudonyms() -> None:
    other = RUN.parents[1] / "destroy-first-restart" / "run.db"
    first, second = redacted_states([RUN, other])
    plain = load_state(RUN), load_state(other)
    for one, two in zip(plain[0].vantages, first.vantages, strict=True):
        if one in plain[1].vantages:
            assert two in second.vantages
    assert first.before is not None
    assert second.before is not None
    assert first.before.network.name == second.before.network.name != "probe-net"
    assert analyse(first).run != analyse(second).run


def test_a_name_is_replaced_in_any_case_but_not_within_a_word() -> None:
    names = Pseudonyms()
    names.name("net")
    names.name("net-3")
    names.keep("4.22.0.0")
    names.keep("Running")
    assert names.in_text("it is running") == "it is running"
    text = "net, net-2, net-3, NET's network 4.22.0.0"
    assert names.in_text(text) == "name-1, name-1-2, name-2, name-1's network 4.22.0.0"
    assert names.in_text(names.in_text("at db.acme.example")) == "at host-1"
