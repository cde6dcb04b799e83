# SPDX-License-Identifier: Apache-2.0
"""Keys of one's own: the mapping `keys` in config.yaml, from ids of actions to keys."""

from pathlib import Path

from csworkbench.tui.keymap import KeymapError, remapped

from . import ConfigError, yaml12


def load_keys(config: Path) -> dict[str, str]:
    """The checked mapping, empty when there is no file or no `keys` in it. Raises ConfigError with file and line."""
    if not config.is_file():
        return {}
    document = yaml12.load(config)
    keys = document.value.get("keys") if isinstance(document.value, dict) else None
    if keys is None:
        return {}
    if not isinstance(keys, dict):
        raise ConfigError(f"{document.where(('keys',))}: keys: write `time.zoom_in: i`, one line per action")
    for action, key in keys.items():
        if not isinstance(key, str | int) or isinstance(key, bool):
            raise ConfigError(f"{document.where(('keys', action))}: {action}: write a key, e.g. i, ctrl+x or f5")
    wanted = {action: str(key) for action, key in keys.items()}
    try:
        remapped(wanted)
    except KeymapError as error:
        raise ConfigError(f"{document.where(('keys', error.action))}: {error}") from None
    return wanted
