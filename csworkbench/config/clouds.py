# SPDX-License-Identifier: Apache-2.0
"""Which management server a cloud's name means: config.yaml, cloudmonkey's profiles, or CLOUDSTACK_* variables.

A secret is taken from the environment or from a file that only its owner may read; it is never printed.
"""

import configparser
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from . import ConfigError, yaml12
from .secret_source import check_private, find_secret, read_text, source_keys

_VARIABLES = ("CLOUDSTACK_ENDPOINT", "CLOUDSTACK_KEY", "CLOUDSTACK_SECRET")
_LOGIN = ("CLOUDSTACK_ENDPOINT", "CLOUDSTACK_USERNAME", "CLOUDSTACK_PASSWORD")
KEYS = (
    *("endpoint", "key", *source_keys("secret"), "username", *source_keys("password"), "domain"),
    *("verify_tls", "ca_file", "read_only"),
)
"""What a cloud of config.yaml may have."""
_CMK_KEYS = ("url", "apikey", "secretkey")
_VERIFY = "CLOUDSTACK_VERIFY"
"""A file of CA certificates, under the name that the client `cs` reads."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """A management server, and as whom to call it: by key and secret, or where there is no key by a login.

    `read_only`: nothing may be changed there. `domain` is a path, ROOT when empty.
    """

    name: str
    endpoint: str
    key: str
    secret: str = field(repr=False)
    verify_tls: bool = True
    ca_file: Path | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    domain: str = ""
    read_only: bool = False

    def verify(self) -> bool | ssl.SSLContext:
        """How to check the certificate: not at all, by the system's CAs, or by `ca_file`. Raises ConfigError."""
        if not self.verify_tls or self.ca_file is None:
            return self.verify_tls
        try:
            return ssl.create_default_context(cafile=str(self.ca_file))
        except OSError as error:
            raise ConfigError(f"{self.ca_file}: no CA certificates ({error.strerror or error})") from None


def config_file() -> Path:
    """Where config.yaml is looked for; `CSWORKBENCH_CONFIG` overrides it."""
    given = os.environ.get("CSWORKBENCH_CONFIG")
    return Path(given) if given else Path(platformdirs.user_config_dir("csworkbench")) / "config.yaml"


def cloudmonkey_file() -> Path:
    """Where cloudmonkey keeps its profiles."""
    return Path("~/.cmk/config").expanduser()


def find_cloud(name: str, env: Mapping[str, str], config: Path, cmk: Path) -> Cloud:
    """The cloud of that name; `env` means the CLOUDSTACK_* variables. Raises ConfigError saying where it looked."""
    if name == "env":
        missing = [v for v in _VARIABLES if not env.get(v)]
        if missing and all(env.get(variable) for variable in _LOGIN):
            endpoint, username, password = (env[variable] for variable in _LOGIN)
            domain = env.get("CLOUDSTACK_DOMAIN", "")
            return Cloud(name, endpoint, "", "", True, _ca_file(env), username, password, domain)
        if missing:
            raise ConfigError(f"cloud `env`: {', '.join(missing)} not set (`eval $(csworkbench lab env)` sets them)")
        return Cloud(name, env[_VARIABLES[0]], env[_VARIABLES[1]], env[_VARIABLES[2]], ca_file=_ca_file(env))
    if config.is_file():
        document = yaml12.load(config)
        clouds = document.value.get("clouds", {}) if isinstance(document.value, dict) else {}
        if isinstance(clouds, dict) and isinstance(clouds.get(name), dict):
            return _from_config(document, name, clouds[name], env)
    if cmk.is_file():
        cloud = _from_cloudmonkey(cmk, name)
        if cloud is not None:
            return cloud
    raise ConfigError(
        f"unknown cloud {name!r}: looked in {config}, {cmk}; `lab` is the test cloud, `env` the environment"
    )


def _ca_file(env: Mapping[str, str]) -> Path | None:
    return Path(env[_VERIFY]).expanduser() if env.get(_VERIFY) else None


def _from_config(document: yaml12.Document, name: str, entry: Mapping[str, Any], env: Mapping[str, str]) -> Cloud:
    base: yaml12.Key = ("clouds", name)
    for key in entry:
        if key not in KEYS:
            raise ConfigError(f"{document.where((*base, key))}: unknown key {key!r}; known: {', '.join(KEYS)}")
    login = "username" in entry
    if login and "key" in entry:
        raise ConfigError(f"{document.where((*base, 'key'))}: either key and secret, or username and password")
    secret = find_secret(document, base, "password" if login else "secret", entry, env)
    for key in ("endpoint", "username" if login else "key"):
        if not entry.get(key):
            raise ConfigError(f"{document.where(base)}: key {key!r} is missing")
    return Cloud(
        name,
        str(entry["endpoint"]),
        "" if login else str(entry["key"]),
        "" if login else secret,
        _flag(document, base, entry, "verify_tls", default=True),
        Path(str(entry["ca_file"])).expanduser() if entry.get("ca_file") else None,
        username=str(entry["username"]) if login else "",
        password=secret if login else "",
        domain=str(entry.get("domain", "")),
        read_only=_flag(document, base, entry, "read_only", default=False),
    )


def _flag(document: yaml12.Document, base: yaml12.Key, entry: Mapping[str, Any], key: str, *, default: bool) -> bool:
    value = entry.get(key, default)
    if not isinstance(value, bool):
        raise ConfigError(f"{document.where((*base, key))}: {key}: true or false, not {value!r}")
    return value


def _from_cloudmonkey(cmk: Path, name: str) -> Cloud | None:
    """A profile of cloudmonkey's file, which begins with settings that stand in no section; None without that one."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(f"[{parser.default_section}]\n" + read_text(cmk))
    except configparser.Error:  # its text would quote the file, secrets included
        raise ConfigError(f"{cmk}: not a cloudmonkey configuration") from None
    if not parser.has_section(name):
        return None
    check_private(cmk)
    login = not (parser.get(name, "apikey", fallback="") or parser.get(name, "secretkey", fallback=""))
    needed = ("url", "username", "password") if login and parser.has_option(name, "username") else _CMK_KEYS
    for key in needed:
        if not parser.get(name, key, fallback=""):
            raise ConfigError(f"{cmk}: profile {name!r} has no {key}")
    try:
        verify_tls = parser.getboolean(name, "verifycert", fallback=True)
    except ValueError:
        raise ConfigError(f"{cmk}: profile {name!r}: verifycert is neither true nor false") from None
    if needed is _CMK_KEYS:
        url, key, secret = (parser.get(name, option) for option in _CMK_KEYS)
        return Cloud(name, url, key, secret, verify_tls)
    return Cloud(
        name, parser.get(name, "url"), "", "", verify_tls, username=parser.get(name, "username"),
        password=parser.get(name, "password"), domain=parser.get(name, "domain", fallback=""),
    )  # fmt: skip
