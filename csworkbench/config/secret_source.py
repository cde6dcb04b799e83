# SPDX-License-Identifier: Apache-2.0
"""Where a secret comes from: config.yaml itself, a 0600 file, the keyring, or the environment. It is never printed."""

import importlib
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import ConfigError, yaml12

SERVICE = "csworkbench"
"""Under which name the keyring keeps secrets; the user there is the cloud's name unless the profile says another."""


def source_keys(word: str) -> tuple[str, ...]:
    """The keys that tell where the secret `word` is."""
    return (word, f"{word}_env", f"{word}_file", f"{word}_keyring")


def find_secret(
    document: yaml12.Document, base: yaml12.Key, word: str, entry: Mapping[str, Any], env: Mapping[str, str]
) -> str:
    """The secret `word` of a cloud's entry. Raises ConfigError that says where it was looked for, never what it is."""
    if word in entry:
        check_private(Path(document.path))
        return str(entry[word])
    if f"{word}_file" in entry:
        path = Path(str(entry[f"{word}_file"])).expanduser()
        check_private(path)
        secret = read_text(path).strip()
        if not secret:
            raise ConfigError(f"{path}: holds no {word}")
        return secret
    if f"{word}_keyring" in entry:
        return _from_keyring(document.where((*base, f"{word}_keyring")), word, str(entry[f"{word}_keyring"]))
    variable = str(entry.get(f"{word}_env", f"CLOUDSTACK_{word.upper()}"))
    secret = env.get(variable, "")
    if not secret:
        raise ConfigError(f"{document.where(base)}: no {word}: set {variable}, or `{word}_file` to a 0600 file")
    return secret


def _from_keyring(where: str, word: str, user: str) -> str:
    try:
        keyring: Any = importlib.import_module("keyring")
    except ImportError:
        text = f"the Python package `keyring` is not installed; install it, or use {word}_file"
        raise ConfigError(f"{where}: {text}") from None
    try:
        found = keyring.get_password(SERVICE, user)
    except Exception as error:  # each back end has errors of its own; none may show what it holds
        raise ConfigError(f"{where}: the keyring cannot be asked ({type(error).__name__})") from None
    if not found:
        raise ConfigError(f"{where}: not in the keyring: `keyring set {SERVICE} {user}` puts it there")
    return str(found)


def read_text(path: Path) -> str:
    """Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read ({reason})") from None


def check_private(path: Path) -> None:
    """Raises ConfigError for a file that others may read or change."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path} holds a secret but others may read it; `chmod 600 {path}` mends that")
