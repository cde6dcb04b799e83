# SPDX-License-Identifier: Apache-2.0
"""Global settings: list, update, reset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.errors import PARAMETER, ApiError, invalid_value
from csworkbench.lab.api.listing import Row, has_keyword, matches, reply, row
from csworkbench.lab.api.registry import Arguments, Param, command
from csworkbench.lab.settings import Setting

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_SCOPE_OF = {
    "zoneid": "zone",
    "clusterid": "cluster",
    "storageid": "storagepool",
    "accountid": "account",
    "domainid": "domain",
    "imagestoreuuid": "imagestore",
}
_SCOPES = tuple(Param(name, "uuid", entity=scope) for name, scope in _SCOPE_OF.items())


@command("listConfigurations", "Lists all configurations.", Param("name"), Param("category"), *_SCOPES)
async def list_configurations(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Settings that matter here; `name` matches as a substring. With a scope id only those of that scope."""
    wanted = str(arguments.get("name", "")).lower()
    scope, scope_id = _scope(arguments)
    known = [setting for setting in server.settings.known() if scope in ("global", setting.scope)]
    items = [_setting_row(server, setting, scope_id) for setting in known if wanted in setting.name.lower()]
    shown = [item for item in items if matches(item, arguments, ("category",)) and has_keyword(item, arguments)]
    return reply("configuration", shown, arguments)


@command("updateConfiguration", "Updates a configuration.", Param("name", required=True), Param("value"), *_SCOPES)
async def update_configuration(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Store a value; in force at once when the setting is dynamic, else from the server's next start."""
    setting, scope_id = _find(server, arguments)
    if "value" in arguments:
        if complaint := setting.complaint(arguments["value"]):
            raise invalid_value(complaint)
        server.settings.change(setting.name, arguments["value"], scope_id)
    return {"configuration": _setting_row(server, setting, scope_id)}


@command(
    "resetConfiguration",
    "Resets a configuration. The configuration will be set to default value for global setting.",
    Param("name", required=True),
    *_SCOPES,
    since=(4, 16),
)
async def reset_configuration(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Back to the default; in a scope, back to the global value."""
    setting, scope_id = _find(server, arguments)
    server.settings.change(setting.name, None, scope_id)
    return {"configuration": _setting_row(server, setting, scope_id)}


def _scope(arguments: Arguments) -> tuple[str, str]:
    """The scope and its id, `global` and empty without one; raises ApiError 431 for more than one."""
    given = [name for name in _SCOPE_OF if name in arguments]
    if len(given) > 1:
        raise invalid_value("cannot handle multiple IDs, provide only one ID corresponding to the scope")
    return (_SCOPE_OF[given[0]], arguments[given[0]]) if given else ("global", "")


def _find(server: Management, arguments: Arguments) -> tuple[Setting, str]:
    scope, scope_id = _scope(arguments)
    for setting in server.settings.known():
        if setting.name == arguments["name"]:
            if scope not in ("global", setting.scope):
                raise invalid_value(f"Invalid scope id provided for the parameter {setting.name}")
            return setting, scope_id
    raise ApiError(PARAMETER, f"Config parameter with name {arguments['name']} doesn't exist")


def _setting_row(server: Management, setting: Setting, scope_id: str) -> Row:
    newer = server.profile.has(4, 18)
    return row(
        category=setting.category,
        name=setting.name,
        value=server.settings.stored(setting, scope_id),
        description=setting.description or setting.name,
        scope=setting.scope,
        isdynamic=setting.dynamic if newer else None,
        defaultvalue=server.settings.default(setting) if newer else None,
        component="management-server" if newer else None,
    )
