# SPDX-License-Identifier: Apache-2.0
"""What a scenario file says about its target and its operation: one of each, and such that they fit."""

from typing import Any

from csworkbench.model.operation import FITTING, TARGETS
from csworkbench.model.scenario import Scenario

from . import ConfigError, yaml12


def with_bare_words(operation: Any) -> Any:
    """`live_patch` and `{live_patch: }` mean `{live_patch: {}}`."""
    if isinstance(operation, str) and operation in FITTING:
        return {operation: {}}
    if isinstance(operation, dict):
        return {name: {} if options is None else options for name, options in operation.items()}
    return operation


def check_target(document: yaml12.Document, scenario: Scenario) -> None:
    """Exactly one target and at most one operation, which can be done to it. Raises ConfigError."""
    written = [kind for kind in TARGETS if isinstance(document.value, dict) and kind in document.value]
    if not written:
        raise ConfigError(f"{document.where(())}: no target: name a network, vpc, router or systemvm")
    if len(written) > 1:
        first, second = sorted(written, key=lambda kind: document.lines.get((kind,), 0))[:2]
        where = document.where((second,))
        raise ConfigError(f"{where}: {second}: this scenario has a {first} already; one target at a time")
    (kind,) = written
    if not getattr(scenario, kind).strip():
        raise ConfigError(f"{document.where((kind,))}: {kind}: a name or id is needed")
    names = scenario.operation.names
    if len(names) > 1:
        where = document.where(("operation", names[1]))
        raise ConfigError(f"{where}: {names[1]}: one operation at a time, and {names[0]} is given")
    for name in names:
        _check_fit(document, kind, name)
    changed = scenario.operation.change_offering
    if changed is not None and not changed.offering.strip():
        where = document.where(("operation", "change_offering", "offering"))
        raise ConfigError(f"{where}: offering: the name or id of a network offering is needed")
    restart = scenario.operation.restart
    if restart is not None and restart.livepatch and (restart.cleanup or restart.makeredundant):
        where = document.where(("operation", "restart", "livepatch"))
        raise ConfigError(
            f"{where}: livepatch: a restart with cleanup or makeredundant ignores it; leave one of them out"
        )


def _check_fit(document: yaml12.Document, kind: str, name: str) -> None:
    if kind not in FITTING[name]:
        fitting = [f"`{one}: NAME`" for one in FITTING[name]]
        wanted = " or ".join(fitting)
        raise ConfigError(f"{document.where(('operation', name))}: {name}: cannot be done to a {kind}; name {wanted}")
