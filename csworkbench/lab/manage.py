# SPDX-License-Identifier: Apache-2.0
"""`lab manage`: what an administrator does to the management server itself, while its routers run on."""

from __future__ import annotations

import asyncio
from typing import Any

from csworkbench.lab.hosts import LabError
from csworkbench.lab.management import Management
from csworkbench.lab.profiles import PROFILES

_LONGEST_AWAY_S = 3600.0


async def manage(server: Management, message: dict[str, Any]) -> str:
    """Do it and say in one line what is true now. Raises LabError for what is not possible."""
    match message.get("action"):
        case "upgrade":
            return await _upgrade(server, str(message.get("release")), message)
        case "restart":
            await _restart(server, message)
            return f"restarted as {server.profile.code_version}"
        case "maintenance":
            if not server.profile.has(4, 21):
                raise LabError("maintenance of a management server came with 4.21")
            server.maintenance = not message.get("off", False)
            return "in maintenance: it takes no new jobs" if server.maintenance else "up"
        case action:
            raise LabError(f"unknown action {action!r}")


async def _upgrade(server: Management, name: str, message: dict[str, Any]) -> str:
    """Stop, new packages, start; with the release's system VM template unless `code_only`."""
    release = PROFILES.get(name)
    if release is None:
        raise LabError(f"unknown release {name!r}; there are {', '.join(PROFILES)}")
    if release.release < server.profile.release:
        raise LabError(f"{server.profile.name} cannot go back to {name}: a database has no downgrade")
    await _restart(server, message, lambda: server.settings.upgrade(release, template=not message.get("code_only")))
    outdated = [router.name for router in server.routers if server.settings.requires_upgrade(router)]
    return f"upgraded to {server.profile.code_version}, system VM template {server.settings.template}; " + (
        f"routers that require an upgrade: {', '.join(outdated)}" if outdated else "no router requires an upgrade"
    )


async def _restart(server: Management, message: dict[str, Any], while_down: Any = None) -> None:
    """`away_s` real seconds without an answer, then it is another process."""
    away_s = float(message.get("away_s", 0.0))
    if not 0 <= away_s <= _LONGEST_AWAY_S:
        raise LabError(f"--away must be 0 to {_LONGEST_AWAY_S:.0f}")
    server.away = True
    try:
        server.jobs.lose()
        server.log.starts += 1
        await asyncio.sleep(away_s)
        if while_down is not None:
            while_down()
        server.restart()
    finally:
        server.away = False
