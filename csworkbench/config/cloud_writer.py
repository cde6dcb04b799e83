# SPDX-License-Identifier: Apache-2.0
"""A new cloud written into config.yaml: what stands there stays as it is, and the secret goes into a 0600 file."""

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from . import ConfigError, yaml12

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
RESERVED = ("lab", "env")


@dataclass(frozen=True, slots=True)
class NewCloud:
    """What a person fills in. `ca_file` may be empty."""

    name: str
    endpoint: str
    key: str = field(repr=False)
    secret: str = field(repr=False)
    ca_file: str = ""


def check_name(name: str, taken: set[str]) -> str:
    """Why a cloud cannot be called that; empty when it can."""
    if name in RESERVED:
        return f"{name!r} has a meaning of its own: choose another name"
    if not NAME.fullmatch(name):
        return "a name has up to 40 letters, digits, dots, - and _"
    return f"there is a cloud {name!r} already: choose another name" if name in taken else ""


def add_cloud(config: Path, cloud: NewCloud) -> Path:
    """Write the cloud into the file, which may not exist, and its secret beside it; the secret's file.

    Raises ConfigError; then nothing has been changed.
    """
    before = config.read_text(encoding="utf-8") if config.is_file() else ""
    document = yaml12.parse(before, str(config))
    taken = document.value.get("clouds") if isinstance(document.value, dict) else None
    if why := check_name(cloud.name, set(taken or ())):
        raise ConfigError(why)
    secret_file = config.parent / "secrets" / cloud.name
    entry = {"endpoint": cloud.endpoint, "key": cloud.key, "secret_file": str(secret_file)}
    if cloud.ca_file:
        entry["ca_file"] = cloud.ca_file
    after = _with(before, cloud.name, entry, document, config)
    try:
        config.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        secret_file.parent.mkdir(exist_ok=True, mode=0o700)
        _write(secret_file, cloud.secret + "\n", 0o600)
        try:
            _write(config, after, config.stat().st_mode & 0o777 if config.exists() else 0o600)
        except OSError:
            with suppress(OSError):
                secret_file.unlink()
            raise
    except OSError as error:
        raise ConfigError(f"{error.filename or config}: cannot be written ({error.strerror or error})") from None
    return secret_file


def _with(text: str, name: str, entry: dict[str, str], document: yaml12.Document, config: Path) -> str:
    """The text with the cloud in it. Raises ConfigError where it cannot be put in without touching the rest."""
    value = document.value if isinstance(document.value, dict) else {}
    expected: dict[str, Any] = {**value, "clouds": {**(value.get("clouds") or {}), name: entry}}
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    place = _clouds(text)
    if place is None:
        made = [*lines, "clouds:\n", *_entry(name, entry, 2)]
    else:
        at, indent = place
        made = [*lines[:at], *_entry(name, entry, indent), *lines[at:]]
    after = "".join(made)
    try:
        good = yaml12.parse(after, str(config)).value == expected
    except ConfigError:
        good = False
    if not good:
        raise ConfigError(f"{config}: `clouds` is not written one name per line: add {name!r} to it by hand")
    return after


def _clouds(text: str) -> tuple[int, int] | None:
    """(line before which a cloud goes, its indent); None without a `clouds` that has any."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        return None
    key, found = next(((k, v) for k, v in node.value if k.value == "clouds"), (None, None))
    if isinstance(found, yaml.MappingNode) and found.value:
        first = found.value[0][0].start_mark
        return first.line, first.column
    empty = isinstance(found, yaml.ScalarNode) and not found.value
    return (key.start_mark.line + 1, 2) if key is not None and empty else None


def _entry(name: str, entry: dict[str, str], indent: int) -> list[str]:
    pad = " " * indent
    lines = [f"{pad}{json.dumps(name)}:\n"]
    return lines + [f"{pad}  {key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in entry.items()]


def _write(path: Path, text: str, mode: int) -> None:
    """Beside, then in place: never half of it, and never readable for others in between."""
    part = path.with_name(f".{path.name}.part")
    with suppress(FileNotFoundError):
        part.unlink()
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(handle, mode)
        file.write(text)
    part.replace(path)
