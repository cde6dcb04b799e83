# SPDX-License-Identifier: Apache-2.0
"""Global settings: list, update, reset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.errors import PARAMETER, ApiError
from csworkbench.lab.api.listing import Row, has_keyword, matches, reply, row
from csworkbench.lab.api.registry import Arguments, Param, command
from csworkbench.lab.settings import Setting

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_SCOPES = (
    Param("zoneid", "uuid", entity="zone"),
    Param("clusterid", "uuid", entity="cluster"),
    Param("accountid", "uuid", entity="account"),
    Param("domainid", "uuid", entity="domain"),
)


@command("listConfigurations", "Lists all configurations.", Param("name"), Param("category"), *_SCOPES)
async def list_configurations(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Settings that matter here; `name` matches as a substring."""
    wanted = str(arguments.get("name", "")).lower()
    items = [_setting_row(server, setting) for setting in server.settings.known() if wanted in setting.name.lower()]
    shown = [item for item in items if matches(item, arguments, ("category",)) and has_keyword(item, arguments)]
    return reply("configuration", shown, arguments)


@command("updateConfiguration", "Updates a configuration.", Param("name", required=True), Param("value"), *_SCOPES)
async def update_configuration(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Store a value; in force at once when the setting is dynamic, else from the server's next start."""
    setting = _find(server, arguments)
    if "value" in arguments:
        server.settings.change(setting.name, arguments["value"])
    return {"configuration": _setting_row(server, setting)}


@command(
    "resetConfiguration",
    "Resets a configuration. The configuration will be set to default value for global setting.",
    Param("name", required=True),
    *_SCOPES,
    since=(4, 16),
)
async def reset_configuration(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Back to the default."""
    setting = _find(server, arguments)
    server.settings.change(setting.name, None)
    return {"configuration": _setting_row(server, setting)}


def _find(server: Management, arguments: Arguments) -> Setting:
    for setting in server.settings.known():
        if setting.name == arguments["name"]:
            return setting
    raise ApiError(PARAMETER, f"Config parameter with name {arguments['name']} doesn't exist")


def _setting_row(server: Management, setting: Setting) -> Row:
    newer = server.profile.has(4, 18)
    return row(
        category="Advanced",
        name=setting.name,
        value=server.settings.stored(setting),
        description=setting.description or setting.name,
        scope=setting.scope,
        isdynamic=setting.dynamic if newer else None,
        defaultvalue=server.settings.default(setting) if newer else None,
        component="management-server" if newer else None,
    )
