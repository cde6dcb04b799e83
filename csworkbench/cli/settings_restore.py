# SPDX-License-Identifier: Apache-2.0
"""`preflight --restore FILE`: global settings back to a snapshot, after a question."""

import sys
from pathlib import Path

import click

from csworkbench.cloudstack.errors import ReadOnly
from csworkbench.cloudstack.fleet import read_settings
from csworkbench.config import ConfigError
from csworkbench.results.tables import printable
from csworkbench.upgrade.settings import BadSnapshot, read_snapshot, to_restore

from .cloud_access import open_cloud

_LARGEST = 1 << 20


async def restore_settings(cloud: str, file: Path, *, yes: bool) -> int:
    """Show the calls, ask, make them. The exit code: 0 done or nothing to do, 1 not allowed, 2 not confirmed.

    Raises ConfigError for a file that is no snapshot or is another cloud's, and CloudStackError.
    """
    try:
        with file.open(encoding="utf-8") as stream:
            kept = read_snapshot(stream.read(_LARGEST))
    except (OSError, UnicodeDecodeError, BadSnapshot) as error:
        raise ConfigError(f"{file}: cannot be used: {error}") from None
    async with open_cloud(cloud) as opened:
        if opened.client.read_only:
            raise ReadOnly("updateConfiguration", f"cloud {cloud!r} may only be looked at")
        if kept.endpoint != opened.cloud.endpoint:
            raise ConfigError(f"{file} is of {printable(kept.endpoint)}, the cloud {cloud} is {opened.cloud.endpoint}")
        now = await read_settings(opened.client)
        if why := now.hides("listConfigurations"):
            click.echo(f"csworkbench: this key may not list settings ({printable(why)})", err=True)
            return 1
        changed = to_restore(kept.settings, now)
        if not changed:
            click.echo(f"every setting is as it was at {printable(kept.taken)}")
            return 0
        for one in changed:
            zone = f" zoneid={one.zone_id}" if one.zone_id else ""
            value, before = printable(one.value), printable(now.setting(one.name, one.zone_id) or "")
            click.echo(f"updateConfiguration name={printable(one.name)} value={value!r}{zone}  (now {before!r})")
        if not yes and not sys.stdin.isatty():
            click.echo("csworkbench: nobody to ask: add --yes to go ahead", err=True)
            return 2
        if not yes and not click.confirm("Set them?", err=True):
            return 2
        for one in changed:
            zone_id = one.zone_id or None
            await opened.client.call("updateConfiguration", name=one.name, value=one.value, zoneid=zone_id)
        click.echo(f"{len(changed)} set; those that are not dynamic count from the management server's next start")
    return 0
