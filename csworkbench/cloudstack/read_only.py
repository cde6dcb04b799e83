# SPDX-License-Identifier: Apache-2.0
"""Which calls change nothing: what a read-only client lets through (docs/access.md lists it)."""

from collections.abc import Mapping

READS = ("list", "get", "query", "find")
CHANGES_NAMED_LIKE_READS = frozenset(
    {
        "getDiagnosticsData",  # writes an archive to secondary storage
        "getUploadParamsForIso",
        "getUploadParamsForTemplate",
        "getUploadParamsForVolume",
        "listAndSwitchSamlAccount",
    }
)
ALSO_LOOKS = frozenset({"login", "logout", "validateUserTwoFactorAuthenticationCode", "runDiagnostics"})
_FRESH_CHECKS = "performfreshchecks"


def is_read(command: str) -> bool:
    """True for calls that change nothing: they may be repeated (cloudstack-api.md 1.3)."""
    return command.startswith(READS) and command not in CHANGES_NAMED_LIKE_READS


def only_looks(command: str, params: Mapping[str, str]) -> bool:
    """Whether a read-only client may send it.

    Fresh health checks run scripts in the router, and CloudStack may re-create a router that fails them.
    """
    if not is_read(command):
        return command in ALSO_LOOKS
    return not any(name.lower() == _FRESH_CHECKS and value.lower() == "true" for name, value in params.items())
