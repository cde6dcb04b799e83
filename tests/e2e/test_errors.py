# SPDX-License-Identifier: Apache-2.0
"""What goes wrong is one clear line that says what to do, with the design's exit code, and leaves nothing behind."""

import json
from pathlib import Path

import pytest

from .support import csworkbench, lab, processes_of, scenario

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def last_error(stderr: str) -> str:
    return next(line for line in reversed(stderr.splitlines()) if "rror" in line or line.startswith("csworkbench:"))


def test_a_wrong_secret_and_an_unreachable_server(tmp_path: Path) -> None:
    inside = {"tenants": "tenants: {vms: all, proxy_command: 'false'}", "outside": "outside: {exec: [env]}"}
    path = scenario(tmp_path, cloud="cloud: env", **inside)  # this host dials nobody in the test cloud
    path.write_text(path.read_text().replace('lab: {profile: "4.22", topology: isolated, vms: 10, scale: 0.1}\n', ""))
    with lab("--vms", "1") as info:
        env = {"CLOUDSTACK_ENDPOINT": info["endpoint"], "CLOUDSTACK_KEY": info["key"], "CLOUDSTACK_SECRET": "wrong"}
        done = csworkbench("run", str(path), "--yes", env=env)
    assert done.returncode == 1
    assert "401" in last_error(done.stderr) or "secret" in last_error(done.stderr)
    gone = csworkbench("run", str(path), "--yes", env=env)  # the same endpoint, now that nobody is there
    assert gone.returncode == 1
    assert "refused" in last_error(gone.stderr)
    assert "Traceback" not in done.stderr + gone.stderr


def test_an_unknown_network_and_a_missing_confirmation(tmp_path: Path) -> None:
    with lab("--vms", "1"):
        done = csworkbench("run", str(scenario(tmp_path, network="network: probe-nett")), "--yes")
        assert done.returncode == 2
        assert "probe-net" in last_error(done.stderr)
        asked = csworkbench("run", str(scenario(tmp_path)))
        assert asked.returncode == 2
        assert "--yes" in last_error(asked.stderr)
        assert "restartNetwork" in asked.stderr  # it shows what it would call


@pytest.mark.parametrize(
    ("key", "line", "says"),
    [
        ("network", "netwrok: probe-net", "did you mean 'network'?"),
        ("lanes", "lanes: auto\nlanes: auto", "is repeated"),
        ("operation", "operation: {restart: {clean: true}}", "unknown key 'clean'"),
    ],
)
def test_a_bad_scenario_names_file_and_line(tmp_path: Path, key: str, line: str, says: str) -> None:
    path = scenario(tmp_path, **{key: line})
    done = csworkbench("run", str(path))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert f"{path}:" in done.stderr
    assert says in done.stderr


def test_a_tenant_that_refuses_ssh(tmp_path: Path) -> None:
    """`refused: skip` leaves it out and says so; `refused: fail` ends as not measurable."""
    with lab("--vms", "2"):
        assert csworkbench("lab", "fault", "ssh-off").returncode == 0
        quick = {
            "phases": "phases: {warmup: 1s, baseline: 2s, confirm: 1s, settle_limit: 1m, calibrate: 0s}",
            "lanes": "lanes: [egress, ingress]",
        }
        failed = csworkbench(
            "run", str(scenario(tmp_path, tenants="tenants: {vms: all, refused: fail}", **quick)), "--yes"
        )
        assert failed.returncode == 4
        assert "vm02" in last_error(failed.stderr)
        skipped = csworkbench("watch", str(scenario(tmp_path, "watch")), "--for", "2s", "--json")
    # vm02 answers nobody on port 22, so its ingress lane is bad before anything was touched.
    assert skipped.returncode == 4
    assert "vm02 is left out" in skipped.stderr
    assert [left["name"] for left in json.loads(skipped.stdout)["left_out"]] == ["vm02"]
    assert processes_of(tmp_path) == []


def test_without_any_tenant_nothing_is_restarted(tmp_path: Path) -> None:
    with lab("--vms", "1"):
        assert csworkbench("lab", "fault", "ssh-off").returncode == 0
        done = csworkbench("run", str(scenario(tmp_path)), "--yes")
    assert done.returncode == 4
    assert "none of 1 tenants" in last_error(done.stderr)
    assert "restartNetwork" not in done.stderr


def test_runs_that_are_not_there(tmp_path: Path) -> None:
    for words in (["show", "nothing"], ["export", "nothing", "--to", str(tmp_path)]):
        done = csworkbench(*words)
        assert done.returncode == 2
        assert "no run" in done.stderr
    assert csworkbench("attach").returncode == 1
