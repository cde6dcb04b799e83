# SPDX-License-Identifier: Apache-2.0
"""Which clouds there are to choose from: config.yaml's, cloudmonkey's profiles, and the CLOUDSTACK_* variables."""

import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from . import ConfigError, yaml12

_VARIABLES = ("CLOUDSTACK_ENDPOINT", "CLOUDSTACK_KEY", "CLOUDSTACK_SECRET")


class Source(StrEnum):
    """Where a cloud is written down."""

    CONFIG = "config.yaml"
    CLOUDMONKEY = "cloudmonkey"
    ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True)
class Listed:
    """A cloud that can be asked for by its name; nothing of it has been checked."""

    name: str
    source: Source
    endpoint: str
    read_only: bool = False


def configured(config: Path) -> list[Listed]:
    """The clouds of config.yaml; none when there is no such file. Raises ConfigError."""
    if not config.is_file():
        return []
    document = yaml12.load(config)
    if document.value is None:
        return []
    if not isinstance(document.value, dict):
        raise ConfigError(f"{document.path}:1: config.yaml is a list of `key: value` lines")
    clouds = document.value.get("clouds")
    if clouds is None:
        return []
    if not isinstance(clouds, dict):
        raise ConfigError(f"{document.where(('clouds',))}: clouds: write `name:` with `endpoint`, `key` … below it")
    found = []
    for name, entry in clouds.items():
        if not isinstance(entry, dict):
            where = document.where(("clouds", name))
            raise ConfigError(f"{where}: {name}: `endpoint`, `key` and `secret_file` belong below it")
        endpoint = str(entry.get("endpoint") or "")
        found.append(Listed(name, Source.CONFIG, endpoint, entry.get("read_only") is True))
    return found


def others(env: Mapping[str, str], cmk: Path) -> list[Listed]:
    """cloudmonkey's profiles that have keys, and `env` when all its variables are set."""
    found = []
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(f"[{parser.default_section}]\n" + cmk.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        pass  # nothing to offer; who names a profile of it is told why
    else:
        found = [
            Listed(name, Source.CLOUDMONKEY, section.get("url") or "")
            for name, section in parser.items()
            if name != parser.default_section and section.get("apikey")
        ]
    if all(env.get(name) for name in _VARIABLES):
        found.append(Listed("env", Source.ENVIRONMENT, env[_VARIABLES[0]]))
    return found
