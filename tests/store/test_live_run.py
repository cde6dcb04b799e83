# SPDX-License-Identifier: Apache-2.0
"""A whole run on loopback, as a user starts it: published to the team's store and scraped while it goes on."""

import json
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from prometheus_client.parser import text_string_to_metric_families

from csworkbench.cli import cli
from csworkbench.recording.folder_store import FolderStore
from csworkbench.recording.library import runs_dir
from csworkbench.recording.postgres_store import PostgresStore
from tests.cli.support import Cloud, cloud, scenario

__all__ = ["cloud", "scenario"]
pytestmark = pytest.mark.lab
Write = Callable[..., str]
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def csworkbench(*words: str) -> Result:
    result = CliRunner().invoke(cli, words)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def samples(text: str) -> Samples:
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found, "told twice"
            found[key] = sample.value
    return found


@contextmanager
def scraped(port: int) -> Iterator[list[Samples]]:
    """What a server that scrapes five times a second got, oldest first."""
    got: list[Samples] = []
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(0.2):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                    got.append(samples(answer.read().decode()))
            except OSError:
                continue

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield got
    finally:
        over.set()
        thread.join(20)


def value(found: Samples, name: str, **labels: str) -> float:
    fitting = [v for (n, told), v in found.items() if n == name and labels.items() <= dict(told).items()]
    assert len(fitting) == 1, (name, labels, fitting)
    return fitting[0]


def test_a_run_is_in_the_store_when_it_ends_and_its_last_scrape_is_its_summary(
    cloud: Cloud, scenario: Write, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSWORKBENCH_STORE", address)
    port = free_port()
    with scraped(port) as got:
        done = csworkbench("run", scenario(), "--json", "--metrics", str(port))
    assert done.exit_code == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    store = PostgresStore(address)
    (run,) = store.runs()
    assert (run.name, run.closed) == (summary["run"], True)
    assert run.position == FolderStore(runs_dir()).position(run.name)
    store.close()

    last = got[-1]
    assert value(last, "csworkbench_run_verdict", verdict=summary["verdict"]) == 1
    for service, figures in summary["services"].items():
        for bound, key in (("estimate", "down_s"), ("low", "low_s"), ("high", "high_s")):
            told = value(last, "csworkbench_service_downtime_seconds", service=service, bound=bound)
            assert told == pytest.approx(figures[key], abs=0.001)
    for lane in summary["lanes"]:
        for outcome in ("ok", "fail", "unknown"):
            told = value(last, "csworkbench_lane_probes_total", lane=str(lane["lane"]), outcome=outcome)
            assert told == lane[outcome]
        told = value(last, "csworkbench_outage_seconds_total", lane=str(lane["lane"]))
        told += value(last, "csworkbench_lane_open_outage_seconds", lane=str(lane["lane"]))
        assert told == pytest.approx(lane["down_s"], abs=0.002)
        ended = [o for o in lane["outages"] if not o["open"]]
        assert value(last, "csworkbench_lane_outages_total", lane=str(lane["lane"])) == len(ended)
    for vantage in summary["vantages"]:
        told = value(last, "csworkbench_missing_records_total", vantage=vantage["name"])
        assert told == vantage["missing_records"]

    phases = {dict(told)["phase"] for s in got for (n, told), v in s.items() if n == "csworkbench_run_phase" and v}
    assert {"baseline", "done"} <= phases
    assert any(v == 0 for s in got for (n, _), v in s.items() if n == "csworkbench_lane_up"), "the outage was seen"
    for before, after in pairwise(got):
        for counter in (key for key in before if key[0].endswith("_total")):
            assert after[counter] >= before[counter], counter
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "nobody listens any more"


def test_a_store_that_is_not_there_changes_nothing_but_a_line(
    cloud: Cloud, scenario: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("csworkbench.cli.company.PUBLISHER_WAIT_S", 0.1)
    monkeypatch.setenv("CSWORKBENCH_STORE", f"postgresql://me@/x?host={tmp_path}")
    started: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, words: list[str], **options: Any) -> None:
            super().__init__(words, **options)
            if "publish" in words:
                started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    done = csworkbench("watch", scenario(), "--for", "500ms", "--json")
    (publisher,) = started
    assert publisher.poll() is None, "it goes on trying"
    publisher.terminate()
    publisher.wait(20)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "measured"
    assert "still being published" in done.stderr
    assert "will be sent when it answers" in capfd.readouterr().err, "the publisher says so"


@pytest.mark.parametrize("listen", ["x", "127.0.0.1", "127.0.0.1:99999", "[::1:9400", "256.0.0.1:1", "192.0.2.1:9400"])
def test_an_address_that_cannot_be_listened_at_is_said_before_the_run(
    cloud: Cloud, scenario: Write, listen: str
) -> None:
    done = csworkbench("run", scenario(), "--metrics", listen)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert cloud.runs == 0


def test_a_port_that_is_taken_is_said_before_the_run(cloud: Cloud, scenario: Write) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = csworkbench("run", scenario(), "--metrics", f"127.0.0.1:{taken.getsockname()[1]}")
    assert done.exit_code == 2
    assert "Address already in use; choose another port" in done.stderr
    assert cloud.runs == 0
