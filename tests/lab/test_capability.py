# SPDX-License-Identifier: Apache-2.0
"""The reason why a machine cannot run the cloud names the setting or the package."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from csworkbench.cli.doctor import doctor
from csworkbench.cli.lab import lab
from csworkbench.lab import capability
from csworkbench.lab.hosts import LabError


def settings(root: Path, name: str, value: str) -> Path:
    file = root / name.replace(".", "/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(value + "\n")
    return root


@pytest.mark.parametrize(
    ("name", "forbidding", "allowing"),
    [
        ("user.max_user_namespaces", "0", "15000"),
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ],
)
def test_the_forbidding_setting_is_named(tmp_path: Path, name: str, forbidding: str, allowing: str) -> None:
    status = tmp_path / "status"
    status.write_text("Seccomp:\t0\n")
    reason, remedy = capability.forbidden_by(root=False, settings=settings(tmp_path, name, forbidding), status=status)
    assert name in reason
    assert name in remedy
    reason, _ = capability.forbidden_by(root=False, settings=settings(tmp_path, name, allowing), status=status)
    assert name not in reason


def test_a_seccomp_filter_is_named(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tx\nSeccomp:\t2\n")
    reason, remedy = capability.forbidden_by(root=False, settings=tmp_path, status=status)
    assert "seccomp" in reason
    assert "seccomp=unconfined" in remedy


def test_a_missing_program_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path: None if name == "nft" else f"/usr/sbin/{name}")
    missing = [check for check in capability.check() if not check.ok]
    assert [check.name for check in missing] == ["nft"]
    assert "apt install nftables" in missing[0].remedy
    with pytest.raises(LabError, match="nft is not installed") as raised:
        capability.require()
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("without_a_pair")
def test_what_only_redundant_networks_need_is_missed_by_them_only() -> None:
    capability.require()
    with pytest.raises(LabError, match=r"keepalived and conntrackd are not installed. .* keepalived conntrackd$"):
        capability.require(redundant=True)


@pytest.mark.usefixtures("without_a_pair")
def test_up_and_doctor_name_it_in_one_line(tmp_path: Path) -> None:
    told = "keepalived and conntrackd are not installed"
    up = CliRunner().invoke(lab, ["--state", str(tmp_path), "up", "--foreground", "--topology", "redundant"])
    assert up.exit_code == 1
    assert [line for line in up.stderr.splitlines() if told in line] == up.stderr.splitlines()[-1:]
    found = CliRunner().invoke(doctor)
    assert found.exit_code == 1
    assert [line.split()[:3] for line in found.stdout.splitlines() if told in line] == [
        ["MISSING", "redundant", "networks"]
    ]


@pytest.fixture
def without_a_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that lacks what only redundant routers need."""
    absent = {"keepalived", "conntrackd"}
    monkeypatch.setattr("shutil.which", lambda name, path=None: None if name in absent else f"/usr/sbin/{name}")
    monkeypatch.setattr(capability, "_namespaces", lambda: capability.Check("namespaces", True, "allowed"))
