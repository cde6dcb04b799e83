# SPDX-License-Identifier: Apache-2.0
"""Logins, read-only clouds, and where secrets come from."""

import sys
import types
from pathlib import Path

import pytest

from csworkbench.config import ConfigError
from csworkbench.config.clouds import Cloud, find_cloud

SECRET = "s3cr3t-VERY"
ENTRY = "clouds:\n  mine:\n    endpoint: https://u\n"


class Home:
    def __init__(self, folder: Path) -> None:
        self.folder, self.config, self.cmk = folder, folder / "config.yaml", folder / "cmk"

    def cloud(self, text: str, env: dict[str, str] | None = None, mode: int = 0o600) -> Cloud:
        self.config.write_text(ENTRY + "".join(f"    {line}\n" for line in text.splitlines()))
        self.config.chmod(mode)
        return self.find("mine", env)

    def find(self, name: str, env: dict[str, str] | None = None) -> Cloud:
        return find_cloud(name, env or {}, self.config, self.cmk)

    def refused(self, text: str, env: dict[str, str] | None = None, mode: int = 0o600) -> str:
        with pytest.raises(ConfigError) as error:
            self.cloud(text, env, mode)
        assert SECRET not in str(error.value)
        return str(error.value)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def login(**others: object) -> Cloud:
    return Cloud("mine", "https://u", "", "", username="bob", password=SECRET, **others)  # type: ignore[arg-type]


def test_a_login_and_where_its_password_comes_from(home: Home) -> None:
    (home.folder / "pw").write_text(SECRET + "\n")
    (home.folder / "pw").chmod(0o600)
    assert home.cloud(f"username: bob\npassword: {SECRET}") == login()
    assert home.cloud("username: bob", {"CLOUDSTACK_PASSWORD": SECRET}, 0o644) == login()
    assert home.cloud("username: bob\npassword_env: PW", {"PW": SECRET}) == login()
    found = home.cloud(f"username: bob\ndomain: a/b\nread_only: true\npassword_file: {home.folder}/pw")
    assert found == login(domain="a/b", read_only=True)
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("username: bob", "no password: set CLOUDSTACK_PASSWORD, or `password_file`"),
        (f"username: bob\nkey: k\npassword: {SECRET}", "either key and secret, or username and password"),
        (f"username: ''\npassword: {SECRET}", "'username' is missing"),
        (f"key: k\nsecret: {SECRET}\nread_only: yes please", "read_only: true or false"),
        (f"key: k\nsecret: {SECRET}\nreadonly: true", "unknown key 'readonly'"),
    ],
)
def test_what_is_wrong_is_named(home: Home, text: str, said: str) -> None:
    assert said in home.refused(text)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_password_that_others_may_read_is_refused(home: Home, mode: int) -> None:
    assert "chmod 600" in home.refused(f"username: bob\npassword: {SECRET}", mode=mode)
    (home.folder / "pw").write_text(SECRET)
    (home.folder / "pw").chmod(mode)
    assert "chmod 600" in home.refused(f"username: bob\npassword_file: {home.folder}/pw")


def test_a_key_is_read_only_too(home: Home) -> None:
    assert home.cloud(f"key: k\nsecret: {SECRET}\nread_only: true").read_only
    assert not home.cloud(f"key: k\nsecret: {SECRET}").read_only


def test_the_keyring_where_it_is_installed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert "`keyring` is not installed" in home.refused("username: bob\npassword_keyring: prod")
    ring = types.ModuleType("keyring")
    held = {("csworkbench", "prod"): SECRET}
    monkeypatch.setattr(ring, "get_password", lambda *who: held.get(who), raising=False)
    monkeypatch.setitem(sys.modules, "keyring", ring)
    assert home.cloud("username: bob\npassword_keyring: prod") == login()
    assert "keyring set csworkbench other" in home.refused("username: bob\npassword_keyring: other")

    def locked(*_: str) -> str:
        raise RuntimeError(f"locked: {SECRET}")

    monkeypatch.setattr(ring, "get_password", locked)
    assert "cannot be asked (RuntimeError)" in home.refused("username: bob\npassword_keyring: prod")


def test_profiles_of_cloudmonkey_with_a_login(home: Home) -> None:
    home.cmk.write_text(
        f"[prod]\nurl = https://u\nusername = bob\npassword = {SECRET}\ndomain = /a\napikey =\nsecretkey =\n"
        "[half]\nurl = https://u\nusername = bob\npassword =\n"
        f"[both]\nurl = https://u\nusername = bob\npassword = x\napikey = k\nsecretkey = {SECRET}\n"
    )
    home.cmk.chmod(0o600)
    found = home.find("prod")
    assert (found.username, found.password, found.domain, found.key) == ("bob", SECRET, "/a", "")
    assert home.find("both").key == "k"
    with pytest.raises(ConfigError, match="profile 'half' has no password"):
        home.find("half")


def test_the_environment_has_logins_too(home: Home) -> None:
    env = {"CLOUDSTACK_ENDPOINT": "https://u", "CLOUDSTACK_USERNAME": "bob", "CLOUDSTACK_PASSWORD": SECRET}
    found = home.find("env", env | {"CLOUDSTACK_DOMAIN": "a"})
    assert (found.username, found.password, found.domain) == ("bob", SECRET, "a")
    assert home.find("env", env | {"CLOUDSTACK_KEY": "k", "CLOUDSTACK_SECRET": "s"}).key == "k"
    with pytest.raises(ConfigError, match="CLOUDSTACK_KEY, CLOUDSTACK_SECRET not set"):
        home.find("env", {"CLOUDSTACK_ENDPOINT": "https://u"})
