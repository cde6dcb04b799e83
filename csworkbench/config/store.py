# SPDX-License-Identifier: Apache-2.0
"""Which team store is meant: `--store`, the variable CSWORKBENCH_STORE, or `store:` in config.yaml."""

from collections.abc import Mapping
from pathlib import Path

from csworkbench.recording import postgres_address

from . import ConfigError, yaml12
from .secret_source import check_private

VARIABLE = "CSWORKBENCH_STORE"
TEAM, NONE = "team", "none"


def configured_store(env: Mapping[str, str], config: Path) -> str:
    """The address that is set, empty without one. Raises ConfigError."""
    if env.get(VARIABLE):
        return _checked(env[VARIABLE], VARIABLE)
    if not config.is_file():
        return ""
    document = yaml12.load(config)
    value = document.value.get("store") if isinstance(document.value, dict) else None
    if value is None:
        return ""
    where = document.where(("store",))
    if not isinstance(value, str):
        raise ConfigError(f"{where}: store: write an address, e.g. {postgres_address.EXAMPLE}")
    address = _checked(value, f"{where}: store")
    if postgres_address.has_password(address):
        check_private(config)
    return address


def store_address(text: str | None, env: Mapping[str, str], config: Path) -> str:
    """What `--store TEXT` means: an address, `team` for the configured one. Raises ConfigError."""
    if text == TEAM:
        found = configured_store(env, config)
        if not found:
            raise ConfigError(f"no team store is set: set {VARIABLE}, or `store:` in {config}")
        return found
    if text is None or text == NONE:
        return ""
    address = _checked(text, "--store")
    if postgres_address.has_password(address):
        raise ConfigError(
            "--store: everybody on this machine can read a password on a command line; put it into ~/.pgpass or"
            f" PGPASSWORD, or set {VARIABLE}"
        )
    return address


def _checked(address: str, where: str) -> str:
    try:
        return postgres_address.check(address)
    except postgres_address.BadAddress as error:
        raise ConfigError(f"{where}: {error}") from None
