# SPDX-License-Identifier: Apache-2.0
"""Which management server a name means; a secret comes from a private place and goes nowhere."""

from pathlib import Path

import pytest

from csworkbench.config import ConfigError
from csworkbench.config.clouds import Cloud, cloudmonkey_file, config_file, find_cloud

SECRET = "s3cr3t-VERY"
# As cloudmonkey 6 writes it: settings first, in no section, then profiles.
CMK = f"""prompt     = 🐱
asyncblock = true
verifycert = true
profile    = prod

[prod]
url        = https://cloud.example/client/api
username   = admin
apikey     = KEY
secretkey  = {SECRET}

[lazy]
url        = http://10.0.0.1:8080/client/api
apikey     = K%2
secretkey  = {SECRET}%x
verifycert = false

[half]
url        = http://10.0.0.2:8080/client/api
apikey     =
secretkey  = {SECRET}
"""


class Files:
    def __init__(self, folder: Path) -> None:
        self.config, self.cmk, self.secret = folder / "config.yaml", folder / "cmk", folder / "secret"

    def write(self, path: Path, text: str, mode: int = 0o600) -> None:
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)

    def find(self, name: str, env: dict[str, str] | None = None) -> Cloud:
        return find_cloud(name, env or {}, self.config, self.cmk)

    def refused(self, name: str, env: dict[str, str] | None = None) -> str:
        with pytest.raises(ConfigError) as error:
            self.find(name, env)
        assert SECRET not in str(error.value)
        assert "\n" not in str(error.value)
        return str(error.value)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_secret_is_never_in_the_repr(files: Files) -> None:
    files.write(files.cmk, CMK)
    cloud = files.find("prod")
    assert cloud.secret == SECRET
    for text in (repr(cloud), str(cloud), f"{cloud}", f"{[cloud]}"):
        assert SECRET not in text


def test_cloudmonkeys_profiles_are_taken_as_they_are(files: Files) -> None:
    files.write(files.cmk, CMK)
    assert files.find("prod") == Cloud("prod", "https://cloud.example/client/api", "KEY", SECRET, True)
    assert files.find("lazy") == Cloud("lazy", "http://10.0.0.1:8080/client/api", "K%2", SECRET + "%x", False)


def test_the_file_of_cloudmonkey_5_with_sections_only(files: Files) -> None:
    files.write(files.cmk, f"[core]\nprofile = local\n[local]\nurl = http://u\napikey = k\nsecretkey = {SECRET}\n")
    assert files.find("local").verify_tls is True


def test_an_incomplete_profile_says_what_it_lacks(files: Files) -> None:
    files.write(files.cmk, CMK)
    assert "profile 'half' has no apikey" in files.refused("half")
    assert "unknown cloud 'none'" in files.refused("none")
    assert "unknown cloud 'DEFAULT'" in files.refused("DEFAULT")


@pytest.mark.parametrize(
    "text",
    [
        f"[prod\nsecretkey = {SECRET}", f"[prod]\nsecretkey {SECRET}\n", f"[prod]\nurl = a\nurl = {SECRET}\n",
        f"[prod]\nurl=u\napikey=k\nsecretkey={SECRET}\nverifycert = perhaps\n", f"[{SECRET}]\nx=1\n[{SECRET}]\n",
        f"{SECRET}\n",
    ],
)  # fmt: skip
def test_a_broken_cloudmonkey_file_is_not_quoted(files: Files, text: str) -> None:
    files.write(files.cmk, text)
    assert str(files.cmk) in files.refused("prod")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o602])
def test_a_secret_that_others_may_read_or_change_is_refused(files: Files, mode: int) -> None:
    files.write(files.cmk, CMK, mode)
    assert "chmod 600" in files.refused("prod")
    files.write(files.config, f"clouds: {{mine: {{endpoint: u, key: k, secret: {SECRET}}}}}", mode)
    assert "chmod 600" in files.refused("mine")
    files.write(files.secret, SECRET, mode)
    files.write(files.config, f"clouds: {{mine: {{endpoint: u, key: k, secret_file: {files.secret}}}}}", 0o644)
    assert "chmod 600" in files.refused("mine")


def test_the_configuration_file(files: Files) -> None:
    text = "clouds:\n  mine:\n    endpoint: https://u\n    key: k\n"
    files.write(files.config, text, 0o644)
    cloud = Cloud("mine", "https://u", "k", SECRET)
    assert files.find("mine", {"CLOUDSTACK_SECRET": SECRET}) == cloud
    files.write(files.config, text + "    secret_env: MINE", 0o644)
    assert files.find("mine", {"MINE": SECRET}) == cloud
    files.write(files.secret, SECRET + "\n")
    files.write(files.config, text + f"    secret_file: {files.secret}\n    verify_tls: false", 0o644)
    assert files.find("mine") == Cloud("mine", "https://u", "k", SECRET, False)
    files.write(files.config, text + f"    secret: {SECRET}")
    assert files.find("mine") == cloud


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("endpoint: u\n    key: k", "config.yaml:2: no secret: set CLOUDSTACK_SECRET"),
        ("endpoint: u\n    key: k\n    secret_env: MINE", "no secret: set MINE"),
        ("key: k\n    secret: x", "config.yaml:2: key 'endpoint' is missing"),
        ("endpoint: u\n    secret: x", "config.yaml:2: key 'key' is missing"),
        ("endpoint: u\n    secrets: x", "config.yaml:4: unknown key 'secrets'"),
        ("endpoint: u\n    key: k\n    secret: x\n    verify_tls: no", "config.yaml:6: verify_tls: true or false"),
        ("endpoint: u\n    key: k\n    secret_file: /nonexistent/x", "/nonexistent/x: cannot be read"),
        ("endpoint: u\n    key: k\n    secret_file: /", "others may read it"),
    ],
)
def test_what_is_wrong_in_it_names_the_line(files: Files, entry: str, says: str) -> None:
    files.write(files.config, f"clouds:\n  mine:\n    {entry}\n")
    assert says in files.refused("mine")


def test_secret_files_that_hold_none(files: Files) -> None:
    files.write(files.config, f"clouds: {{mine: {{endpoint: u, key: k, secret_file: {files.secret}}}}}")
    files.write(files.secret, " \n")
    assert "holds no secret" in files.refused("mine")
    files.secret.write_bytes(b"\xff\xfe")
    assert "not UTF-8" in files.refused("mine")
    files.secret.unlink()
    files.secret.mkdir(mode=0o700)
    assert "cannot be read" in files.refused("mine")


def test_the_environment(files: Files) -> None:
    env = {"CLOUDSTACK_ENDPOINT": "http://u", "CLOUDSTACK_KEY": "k", "CLOUDSTACK_SECRET": SECRET}
    assert files.find("env", env) == Cloud("env", "http://u", "k", SECRET)
    del env["CLOUDSTACK_KEY"]
    assert "CLOUDSTACK_KEY not set" in files.refused("env", env)


def test_config_yaml_comes_before_cloudmonkey(files: Files) -> None:
    files.write(files.cmk, CMK)
    files.write(files.config, "clouds: {prod: {endpoint: mine, key: k, secret: x}}")
    assert files.find("prod").endpoint == "mine"
    assert files.find("lazy").endpoint == "http://10.0.0.1:8080/client/api"


@pytest.mark.parametrize("text", ["", "[]", "clouds: 7", "clouds: {mine: 7}", "other: 1"])
def test_a_config_without_that_cloud_says_where_it_looked(files: Files, text: str) -> None:
    files.write(files.config, text)
    said = files.refused("mine")
    assert str(files.config) in said
    assert str(files.cmk) in said


def test_where_the_files_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CSWORKBENCH_CONFIG", str(tmp_path / "c.yaml"))
    assert config_file() == tmp_path / "c.yaml"
    monkeypatch.delenv("CSWORKBENCH_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config_file() == tmp_path / "csworkbench" / "config.yaml"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cloudmonkey_file() == tmp_path / ".cmk" / "config"


def test_a_private_ca_comes_from_the_environment_or_from_config(files: Files) -> None:
    env = {"CLOUDSTACK_ENDPOINT": "https://h", "CLOUDSTACK_KEY": "k", "CLOUDSTACK_SECRET": SECRET}
    assert files.find("env", env).verify() is True
    missing = files.find("env", env | {"CLOUDSTACK_VERIFY": str(files.secret)})
    assert missing.ca_file == files.secret
    with pytest.raises(ConfigError, match="no CA certificates"):
        missing.verify()
    entry = f"endpoint: https://h, key: k, secret_env: S, ca_file: {files.secret}"
    files.write(files.config, f"clouds: {{ a: {{ {entry} }}, b: {{ {entry}, verify_tls: false }} }}\n")
    assert files.find("a", {"S": SECRET}).ca_file == files.secret
    assert files.find("b", {"S": SECRET}).verify() is False
    files.write(files.secret, "no certificate")
    with pytest.raises(ConfigError, match="no CA certificates"):
        files.find("a", {"S": SECRET}).verify()
