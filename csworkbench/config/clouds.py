# SPDX-License-Identifier: Apache-2.0
"""Which management server a cloud's name means: config.yaml, cloudmonkey's profiles, or CLOUDSTACK_* variables.

A secret is taken from the environment or from a file that only its owner may read; it is never printed.
"""

import configparser
import os
import ssl
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from . import ConfigError, yaml12

_VARIABLES = ("CLOUDSTACK_ENDPOINT", "CLOUDSTACK_KEY", "CLOUDSTACK_SECRET")
_KEYS = ("endpoint", "key", "secret", "secret_env", "secret_file", "verify_tls", "ca_file")
_VERIFY = "CLOUDSTACK_VERIFY"
"""A file of CA certificates, under the name that the client `cs` reads."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """A management server and how to sign for it."""

    name: str
    endpoint: str
    key: str
    secret: str = field(repr=False)
    verify_tls: bool = True
    ca_file: Path | None = None

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
        if missing:
            raise ConfigError(f"cloud `env`: {', '.join(missing)} not set (`eval $(csworkbench lab env)` sets them)")
        ca_file = Path(env[_VERIFY]).expanduser() if env.get(_VERIFY) else None
        return Cloud(name, env[_VARIABLES[0]], env[_VARIABLES[1]], env[_VARIABLES[2]], ca_file=ca_file)
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


def _from_config(document: yaml12.Document, name: str, entry: Mapping[str, Any], env: Mapping[str, str]) -> Cloud:
    base: yaml12.Key = ("clouds", name)
    for key in entry:
        if key not in _KEYS:
            raise ConfigError(f"{document.where((*base, key))}: unknown key {key!r}; known: {', '.join(_KEYS)}")
    if "secret" in entry:
        check_private(Path(document.path))
        secret = str(entry["secret"])
    elif "secret_file" in entry:
        path = Path(str(entry["secret_file"])).expanduser()
        check_private(path)
        secret = _read(path).strip()
        if not secret:
            raise ConfigError(f"{path}: holds no secret")
    else:
        variable = str(entry.get("secret_env", "CLOUDSTACK_SECRET"))
        secret = env.get(variable, "")
        if not secret:
            raise ConfigError(f"{document.where(base)}: no secret: set {variable}, or `secret_file` to a 0600 file")
    for key in ("endpoint", "key"):
        if not entry.get(key):
            raise ConfigError(f"{document.where(base)}: key {key!r} is missing")
    verify_tls = entry.get("verify_tls", True)
    if not isinstance(verify_tls, bool):
        raise ConfigError(f"{document.where((*base, 'verify_tls'))}: verify_tls: true or false, not {verify_tls!r}")
    ca_file = Path(str(entry["ca_file"])).expanduser() if entry.get("ca_file") else None
    return Cloud(name, str(entry["endpoint"]), str(entry["key"]), secret, verify_tls, ca_file)


def _from_cloudmonkey(cmk: Path, name: str) -> Cloud | None:
    """A profile of cloudmonkey's file, which begins with settings that stand in no section; None without that one."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(f"[{parser.default_section}]\n" + _read(cmk))
    except configparser.Error:  # its text would quote the file, secrets included
        raise ConfigError(f"{cmk}: not a cloudmonkey configuration") from None
    if not parser.has_section(name):
        return None
    check_private(cmk)
    for key in ("url", "apikey", "secretkey"):
        if not parser.get(name, key, fallback=""):
            raise ConfigError(f"{cmk}: profile {name!r} has no {key}")
    try:
        verify_tls = parser.getboolean(name, "verifycert", fallback=True)
    except ValueError:
        raise ConfigError(f"{cmk}: profile {name!r}: verifycert is neither true nor false") from None
    return Cloud(name, parser.get(name, "url"), parser.get(name, "apikey"), parser.get(name, "secretkey"), verify_tls)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read ({reason})") from None


def check_private(path: Path) -> None:
    """Raises ConfigError when others may read a file that holds a secret."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path} holds a secret but others may read it; `chmod 600 {path}` mends that")
