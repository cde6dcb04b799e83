# SPDX-License-Identifier: Apache-2.0
"""Clouds to choose from, and a new one in config.yaml: nothing else changes, and no secret stands in the clear."""

import stat
from pathlib import Path

import pytest

from csworkbench.config import ConfigError
from csworkbench.config.cloud_list import Listed, Source, configured, others
from csworkbench.config.cloud_writer import NewCloud, add_cloud
from csworkbench.config.clouds import find_cloud

SECRET = "s3cret-%&/=\"' é"
NEW = NewCloud("prod", "https://cloud.example.org:8443/client/api", 'key"with: # signs', SECRET)
NONE = Path("/nonexistent/cmk")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def read_back(config: Path, name: str = "prod") -> tuple[str, str, str]:
    cloud = find_cloud(name, {}, config, NONE)
    return cloud.endpoint, cloud.key, cloud.secret


def test_the_first_cloud(tmp_path: Path) -> None:
    config = tmp_path / "conf" / "config.yaml"
    secret = add_cloud(config, NEW)
    assert read_back(config) == (NEW.endpoint, NEW.key, SECRET)
    assert SECRET not in config.read_text("utf-8")
    assert (mode(secret), mode(config), mode(config.parent)) == (0o600, 0o600, 0o700)
    assert [p.name for p in config.parent.iterdir() if p.name.startswith(".")] == []
    assert "s3cret" not in repr(NEW)


def read_back_names(folder: Path) -> list[str]:
    return sorted(p.name for p in (folder / "secrets").iterdir())


@pytest.mark.parametrize(
    "before",
    [
        "# mine\nkeys:\n  time.zoom_in: i  # so\n",
        "clouds:\n    # the old one\n    old: {endpoint: 'https://o/client/api', key: k, secret_env: X}\nkeys: {}",
        "clouds:\n",
        "keys:\n  time.zoom_in: i\n# the end without a line break",
    ],
)
def test_what_stands_there_stays(tmp_path: Path, before: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(before)
    config.chmod(0o640)
    add_cloud(config, NEW)
    after = config.read_text("utf-8")
    assert all(line in after.splitlines() for line in before.splitlines())
    assert read_back(config)[2] == SECRET
    assert mode(config) == 0o640


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("lab", "meaning of its own"),
        ("env", "meaning"),
        ("../x", "letters"),
        ("a b", "letters"),
        ("x" * 41, "to 40"),
    ],
)
def test_names_that_cannot_be(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        add_cloud(tmp_path / "config.yaml", NewCloud(name, "https://c", "k", "s"))
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_and_a_file_in_one_line(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    add_cloud(config, NEW)
    with pytest.raises(ConfigError, match="already"):
        add_cloud(config, NEW)
    config.write_text("clouds: {old: {endpoint: e, key: k}}\n")
    with pytest.raises(ConfigError, match="by hand"):
        add_cloud(config, NEW)
    assert config.read_text() == "clouds: {old: {endpoint: e, key: k}}\n"
    assert read_back_names(tmp_path) == ["prod"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        add_cloud(tmp_path / "file" / "config.yaml", NEW)


def test_the_list(tmp_path: Path) -> None:
    config, cmk = tmp_path / "config.yaml", tmp_path / "cmk"
    assert configured(config) == []
    add_cloud(config, NEW)
    config.write_text(config.read_text() + "  eu:\n    endpoint: https://eu\n    key: k\n    read_only: true\n")
    assert configured(config) == [
        Listed("prod", Source.CONFIG, NEW.endpoint), Listed("eu", Source.CONFIG, "https://eu", read_only=True),
    ]  # fmt: skip
    cmk.write_text(
        "prompt = x\n[core]\nprofile = one\n[one]\nurl = https://one/client/api\napikey = a\nsecretkey = b\n"
    )
    variables = {"CLOUDSTACK_ENDPOINT": "https://e", "CLOUDSTACK_KEY": "k", "CLOUDSTACK_SECRET": "s"}
    assert others({}, cmk) == [Listed("one", Source.CLOUDMONKEY, "https://one/client/api")]
    assert others(variables, NONE) == [Listed("env", Source.ENVIRONMENT, "https://e")]
    cmk.write_text("[broken")
    assert others({}, cmk) == []


@pytest.mark.parametrize("text", ["- a\n", "clouds: 3\n", "clouds:\n  prod: 3\n", "clouds: [a]\n"])
def test_a_broken_configuration_names_its_line(tmp_path: Path, text: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text)
    with pytest.raises(ConfigError, match=r"config\.yaml:\d"):
        configured(config)
