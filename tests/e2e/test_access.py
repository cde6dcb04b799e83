# SPDX-License-Identifier: Apache-2.0
"""Accounts, logins and diagnostics against the test cloud over TLS: what each role may, and that no secret is kept."""

import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.worker import WorkerFailed

from csworkbench.cli.cloud_screen import ApiSource
from csworkbench.cloudstack import transport
from csworkbench.tui.cloud_app import CloudApp
from tests.cli.test_run import csworkbench as here
from tests.lab.support import RunningCloud, running_cloud

from .support import csworkbench

pytestmark = pytest.mark.lab
ACCOUNTS = ("admin", "dom", "ops", "guest")
SHORT = "{warmup: 200ms, baseline: 1s, confirm: 1s, settle_limit: 20s, calibrate: 0s}"
Configured = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with running_cloud(tmp_path_factory.mktemp("a") / "lab", "--scale", "0", "--vms", "1", "--tls") as up:
        up.info |= {"tls": up.info["endpoint"], "endpoint": up.info["http_endpoint"]}  # its own calls know no CA
        yield up


@pytest.fixture
def configured(cloud: RunningCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """config.yaml with a cloud for each account's login (NAME) and key (NAME-key), and one to look at (look)."""
    endpoint, ca, clouds = cloud.info["tls"], cloud.info["ca"], {}
    for name in ACCOUNTS:
        account = cloud.info["accounts"][name]
        common = {"endpoint": endpoint, "ca_file": ca}
        clouds[name] = common | {"username": name, "password": account["password"], "domain": account["domain"]}
        clouds[f"{name}-key"] = common | {"key": account["key"], "secret": account["secret"]}
    clouds["look"] = clouds["admin-key"] | {"read_only": True}
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"clouds": clouds}))
    config.chmod(0o600)
    env = {"CSWORKBENCH_LAB_DIR": str(cloud.state), "CSWORKBENCH_CONFIG": str(config)}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return env


def secrets_of(cloud: RunningCloud) -> list[str]:
    accounts = cloud.info["accounts"].values()
    return [account[word] for account in accounts for word in ("secret", "password", "key")]


def router(cloud: RunningCloud) -> str:
    return str(cloud.routers()[0]["name"])


def test_a_login_looks_into_a_router(cloud: RunningCloud, configured: dict[str, str]) -> None:
    target = cloud.info["egress_target"]
    done = csworkbench("diagnose", router(cloud), "ping", target, "--count", "1", "--cloud", "admin", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["exit_code"], answer["command"]) == (0, f"ping -c 1 {target}")
    assert "1 received" in answer["stdout"]
    silent = here("diagnose", router(cloud), "arping", "10.1.1.250", "--count", "1", "--interface", "eth0")
    assert silent.exit_code == 1
    assert "Received 0 response" in silent.stdout


def test_the_logs_of_a_router_are_fetched(cloud: RunningCloud, configured: dict[str, str], tmp_path: Path) -> None:
    done = here("diagnose", router(cloud), "--collect", str(tmp_path / "logs"), "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    with zipfile.ZipFile(found["path"]) as archive:
        assert "fileinfo.txt" in archive.namelist()
    assert (tmp_path / "logs").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("r-99-VM", "ping", "192.0.2.1", "--cloud", "admin-key"), "no router or system VM is called r-99-VM"),
        (("r-4-VM", "ping", "192.0.2.1;reboot", "--cloud", "admin-key"), "is no address"),
        (("r-4-VM", "ping", "192.0.2.1", "--cloud", "ops"), "sees no routers and no system VMs"),
        (("r-4-VM", "--collect", "x", "--cloud", "look"), "may only be looked at"),
        (("r-4-VM",), "name what to run and an address"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_2(
    cloud: RunningCloud, configured: dict[str, str], tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    words = tuple(str(tmp_path / "x") if word == "x" else word.replace("r-4-VM", router(cloud)) for word in words)
    done = here("diagnose", *words)
    assert done.exit_code == 2, done.stderr
    assert said in done.stderr


@pytest.mark.parametrize("account", ["ops", "dom-key", pytest.param("guest", marks=pytest.mark.slow)])
def test_preflight_says_once_what_a_role_may_not_see(configured: dict[str, str], account: str) -> None:
    done = here("preflight", "--cloud", account)
    assert done.exit_code == 0, done.stderr
    told = " ".join(done.stdout.split())
    assert told.count("listHosts") == 1
    assert told.count("-> ask somebody with a root admin's key") == 1
    assert "hidden management servers, hosts, hosts' agents, system VM template" in told


def unready(tmp_path: Path, cloud: str) -> Path:
    """A run that ends in its preparation, after it has asked the API: no target to ping is named."""
    path = tmp_path / f"{cloud}.yaml"
    path.write_text(
        f"name: {cloud}\ncloud: {cloud}\nnetwork: probe-net\noperation: {{restart: {{cleanup: true}}}}\n"
        f"vantages: {{tenants: {{vms: all, proxy_command: 'false'}}, outside: {{exec: [env]}}}}\nphases: {SHORT}\n"
    )
    return path


@pytest.mark.parametrize("name", ["admin", pytest.param("admin-key", marks=pytest.mark.slow)])
def test_no_secret_is_kept_anywhere(cloud: RunningCloud, configured: dict[str, str], tmp_path: Path, name: str) -> None:
    done = csworkbench("run", str(unready(tmp_path, name)), "--yes", "--json")
    assert "egress_target is missing" in done.stderr
    shown, exported = here("show", "last", "--json"), here("export", "last", "--to", str(tmp_path / "out"))
    texts = [done.stdout, done.stderr, shown.output, exported.output]
    files = [path for place in ("data", "out") for path in (tmp_path / place).rglob("*") if path.is_file()]
    assert any(path.name == "run.db" for path in files)
    kept = [text.encode() for text in texts] + [path.read_bytes() for path in files]
    assert any(b"listNetworks" in text for text in kept)
    for secret in secrets_of(cloud):
        assert not [text for text in kept if secret.encode() in text]


async def test_a_crash_report_tells_no_secret(
    cloud: RunningCloud, configured: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    app = CloudApp(ApiSource("admin"))
    monkeypatch.setattr(transport, "shown_reply", bug)
    with pytest.raises(WorkerFailed):
        async with app.run_test() as pilot:
            await pilot.pause()
            await app.workers.wait_for_complete()
    assert app.return_code == 1
    report = capsys.readouterr().err
    assert "a bug" in report
    assert "locals" not in report
    assert not [secret for secret in secrets_of(cloud) if secret in report]


@pytest.mark.parametrize("how", ["option", pytest.param("profile", marks=pytest.mark.slow)])
def test_read_only_refuses_before_anything_is_sent(
    cloud: RunningCloud, configured: dict[str, str], tmp_path: Path, how: str
) -> None:
    before = cloud.api("listEvents", listall="true")[1]["count"]
    words = ("--read-only",) if how == "option" else ()
    done = csworkbench(*words, "run", str(unready(tmp_path, "look" if how == "profile" else "admin")), "--yes")
    assert done.returncode == 2
    assert "may only be looked at" in done.stderr
    assert cloud.api("listEvents", listall="true")[1]["count"] == before


@pytest.mark.slow
def test_a_user_runs_a_restart_of_the_own_network(
    cloud: RunningCloud, configured: dict[str, str], tmp_path: Path
) -> None:
    ssh, proxy = cloud.info["ssh"], f"{sys.executable} -m csworkbench lab nc %h %p"
    tenants = {"user": ssh["user"], "key": ssh["key"], "known_hosts": ssh["known_hosts"], "proxy_command": proxy}
    path = tmp_path / "own.yaml"
    path.write_text(
        f"name: own\ncloud: ops\nnetwork: probe-net\noperation: {{restart: {{cleanup: true}}}}\n"
        f"egress_target: {cloud.info['egress_target']}\nvantages: {{tenants: {json.dumps(tenants | {'vms': 'all'})}}}\n"
        f"phases: {SHORT}\n"
    )
    done = csworkbench("run", str(path), "--yes", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["verdict"] == "restarted"
    assert "may not list routers" in summary["reasons"][0]
    assert summary["evidence"] == []
    assert done.stderr.count("not listed to this key") == 1


@pytest.mark.slow
def test_a_failed_restart_leaves_its_evidence(cloud: RunningCloud, tmp_path: Path) -> None:
    env = {"CSWORKBENCH_LAB_DIR": str(cloud.state)}
    path = tmp_path / "fails.yaml"
    path.write_text(
        "name: fails\ncloud: lab\nnetwork: probe-net\noperation: {restart: {cleanup: true}}\n"
        f"vantages: {{outside: {{at: local}}}}\nphases: {SHORT}\n"
    )
    assert cloud.lab("fault", "restart-fails").returncode == 0
    done = csworkbench("run", str(path), "--yes", "--force", "--json", env=env)
    assert done.returncode == 1, done.stderr
    found = {one["what"]: one for one in json.loads(done.stdout)["evidence"]}
    folder = tmp_path / "data" / "runs"
    (run,) = folder.iterdir()
    for what in ("the last samples", "events", "health checks"):
        assert (run / found[what]["path"]).stat().st_size == found[what]["bytes"] > 0
    assert [one for what, one in found.items() if what.startswith("the logs of r-") and one["path"]]
