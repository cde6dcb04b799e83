# SPDX-License-Identifier: Apache-2.0
"""The management server's release and its global settings: what is stored, and what is in force.

A setting that is not dynamic is read when the management server starts: until then the old value is in force.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from csworkbench.lab.profiles import Profile, Version
from csworkbench.lab.records import Router

HANDOVER, HANDOVERS = "network.restart.handover", ("none", "external", "negotiated")
VERSION_SHOWN = "expose.cloudstack.version.api.list.capabilities"
MINIMUM_TEMPLATE = "minreq.sysvmtemplate.version"
_ROUTER_TEMPLATE = "router.template.kvm"
_GLOBAL = ""
_Place = tuple[str, str]
"""A setting's name and the id of the zone, domain or account, or `_GLOBAL`."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of listConfigurations. `dynamic` False: needs a restart of the management server; `since` (): always."""

    name: str
    default: str
    dynamic: bool = True
    since: Version = ()
    scope: str = "global"
    description: str = ""
    category: str = "Advanced"
    choices: tuple[str, ...] = ()
    """The values there are; empty: any of its type."""

    def complaint(self, value: str) -> str | None:
        """What is wrong with a value, seen from the type of the default."""
        if self.choices:
            wanted, fits = f"there are {', '.join(self.choices)}", value in self.choices
        elif self.default in ("true", "false"):
            wanted, fits = "enter either 'true' or 'false'", value in ("true", "false")
        elif re.fullmatch(r"-?\d+", self.default):
            wanted, fits = "enter a number", re.fullmatch(r"-?\d{1,9}(\.\d{1,3})?", value) is not None
        else:
            return None
        return None if fits else f"Invalid value for {self.name}: {wanted}"


_HEALTH: Version = (4, 14)
_LISTED = "Kept and listed; this test cloud does not act on it"
_COMMANDS = "iptables,ipaddr,iprule,iproute"
_ROUTER_FILES = (
    f"{_COMMANDS},/etc/cloudstack-release,/etc/dnsmasq.conf,/etc/dhcphosts.txt,/etc/dhcpopts.txt,"
    "/etc/dnsmasq.d/cloud.conf,/etc/dnsmasq-resolv.conf,/var/lib/misc/dnsmasq.leases,/var/log/dnsmasq.log,/etc/hosts,"
    "/etc/resolv.conf,/etc/haproxy/haproxy.cfg,/var/log/haproxy.log,/etc/ipsec.d/l2tp.conf,/var/log/cloud.log,"
    "/var/log/routerServiceMonitor.log,/var/log/daemon.log"
)
_SYSTEM_VM_FILES = (
    f"{_COMMANDS},/etc/cloudstack-release,/usr/local/cloud/systemvm/conf/agent.properties,"
    "/usr/local/cloud/systemvm/conf/consoleproxy.properties,/var/log/cloud.log,/var/log/patchsystemvm.log,"
    "/var/log/daemon.log"
)
CATALOGUE = {
    setting.name: setting
    for setting in (
        Setting("allow.router.on.disabled.resources", "false", description=_LISTED),
        Setting("api.key.access", "true", since=(4, 20, 1), scope="domain"),
        Setting("api.allowed.source.cidr.list", "0.0.0.0/0,::/0", since=(4, 11), scope="account"),
        Setting("api.sessionkey.check.locations", "CookieAndParameter", since=(4, 20)),
        Setting("api.source.cidr.checks.enabled", "true", since=(4, 11)),
        Setting("api.throttling.enabled", "false", dynamic=False, description="Enable/Disable Api rate limit"),
        Setting("api.throttling.interval", "1", dynamic=False, description="Time interval (in seconds) to reset count"),
        Setting("api.throttling.max", "25", dynamic=False, description="Max allowed number of APIs within interval"),
        Setting(
            "consoleproxy.capacityscan.interval",
            "30000",
            dynamic=False,
            description="The time interval(in millisecond)",
        ),
        Setting("consoleproxy.restart", "true", scope="zone", description=_LISTED),
        Setting("default.page.size", "500", dynamic=False, description="Default page size for API list* commands"),
        Setting("diagnostics.data.router.defaults", _ROUTER_FILES, since=(4, 14)),
        Setting("diagnostics.data.systemvm.defaults", _SYSTEM_VM_FILES, since=(4, 14)),
        Setting("enforce.post.requests.and.timestamps", "false", dynamic=False, since=(4, 21)),
        Setting("event.purge.delay", "15", dynamic=False),
        Setting(VERSION_SHOWN, "true", since=(4, 21)),
        Setting("integration.api.port", "0", dynamic=False),
        Setting("job.cancel.threshold.minutes", "60", description=_LISTED),
        Setting("job.expire.minutes", "1440"),
        Setting("max.account.networks", "-1", description="The default maximum number of networks per account"),
        Setting("max.account.public.ips", "-1", description="The default maximum number of public IPs per account"),
        Setting("max.account.user.vms", "-1", description="The default maximum number of user VMs per account"),
        Setting("mandate.user.2fa", "false", since=(4, 18), scope="domain"),
        Setting(MINIMUM_TEMPLATE, "", description="What version should the Virtual Routers report"),
        Setting("network.disable.rpfilter", "true", description=_LISTED),
        Setting("network.gc.interval", "600", dynamic=False, description=_LISTED),
        Setting("network.gc.wait", "600", dynamic=False, description=_LISTED),
        Setting("network.lock.timeout", "600"),
        Setting(
            HANDOVER,
            "none",
            category="Test cloud",
            choices=HANDOVERS,
            description="The test cloud's own: how a rolling restart moves a network to its new router",
        ),
        Setting("network.rolling.restart", "true", since=(4, 11, 2)),
        Setting("recreate.systemvm.enabled", "false", description=_LISTED),
        Setting("router.aggregation.command.each.timeout", "600", description=_LISTED),
        Setting("router.alerts.check.interval", "1800", dynamic=False, description=_LISTED),
        Setting("router.check.interval", "30", dynamic=False),
        Setting("router.health.checks.advanced.interval", "10", since=_HEALTH),
        Setting("router.health.checks.basic.interval", "3", since=_HEALTH),
        Setting("router.health.checks.enabled", "true", since=_HEALTH),
        Setting("router.health.checks.failures.to.recreate.vr", "", since=_HEALTH, scope="zone"),
        Setting("router.health.checks.free.disk.space.threshold", "100", since=_HEALTH, scope="zone"),
        Setting("router.health.checks.max.cpu.usage.threshold", "100", since=_HEALTH, scope="zone"),
        Setting("router.health.checks.max.memory.usage.threshold", "100", since=_HEALTH, scope="zone"),
        Setting("router.health.checks.results.fetch.interval", "10", dynamic=False, since=_HEALTH),
        Setting("router.health.checks.to.exclude", "", since=_HEALTH, scope="zone"),
        Setting("router.extra.public.nics", "2", description=_LISTED),
        Setting("router.redundant.vrrp.interval", "1"),
        Setting("router.stats.interval", "300", dynamic=False, description=_LISTED),
        Setting(_ROUTER_TEMPLATE, "", scope="zone"),
        Setting("router.version.check", "true", dynamic=False, description="If true, router minimum required version"),
        Setting(
            "secstorage.capacityscan.interval", "30000", dynamic=False, description="The time interval(in millisecond)"
        ),
    )
}


def _find(values: dict[_Place, str], name: str, scope_id: str, default: str) -> str:
    return values.get((name, scope_id), values.get((name, _GLOBAL), default))


def version_of(text: str) -> Version:
    """The numbers of a version, to compare with."""
    return tuple(int(part) for part in re.findall(r"\d+", text))


class Settings:
    """The release (`profile`), the registered system VM template, and the values of the settings."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.template = profile.template
        """Version of the registered system VM template: what a router that starts now will run."""
        self._stored: dict[_Place, str] = {}
        self._in_force: dict[_Place, str] = {}

    def known(self) -> list[Setting]:
        """The settings of this release, by name."""
        return [setting for _, setting in sorted(CATALOGUE.items()) if self.profile.release >= setting.since]

    def default(self, setting: Setting) -> str:
        """What a setting is when nobody has changed it."""
        if setting.name == MINIMUM_TEMPLATE:
            return self.template
        return f"systemvm-kvm-{self.template}" if setting.name == _ROUTER_TEMPLATE else setting.default

    def stored(self, setting: Setting, scope_id: str = _GLOBAL) -> str:
        """What listConfigurations shows, of a zone, domain or account if its id is given."""
        return _find(self._stored, setting.name, scope_id, self.default(setting))

    def value(self, name: str, *, zone: str = _GLOBAL, domain: str = _GLOBAL, account: str = _GLOBAL) -> str:
        """What is in force there; the default where the release does not know the setting.

        Of the ids only the one of the setting's own scope counts; its value goes before the global one.
        """
        setting = CATALOGUE[name]
        if self.profile.release < setting.since:
            return setting.default
        values = self._stored if setting.dynamic else self._in_force
        scope_id = {"zone": zone, "domain": domain, "account": account}.get(setting.scope, _GLOBAL)
        return _find(values, name, scope_id, self.default(setting))

    def flag(self, name: str, **within: str) -> bool:
        """A boolean setting that is in force."""
        return self.value(name, **within).lower() == "true"

    def number(self, name: str, **within: str) -> int:
        """A numeric setting that is in force; the default where what is stored is not a number."""
        text = self.value(name, **within)
        return int(text if re.fullmatch(r"-?\d{1,9}", text) else CATALOGUE[name].default)

    def decimal(self, name: str) -> float:
        """A setting that may be a fraction; the default where what is stored is not a number."""
        text = self.value(name)
        return float(text if re.fullmatch(r"\d{1,6}(\.\d{1,3})?", text) else CATALOGUE[name].default)

    def change(self, name: str, value: str | None, scope_id: str = _GLOBAL) -> None:
        """Store a value, or with None go back to what holds without it."""
        if value is None:
            self._stored.pop((name, scope_id), None)
        else:
            self._stored[name, scope_id] = value

    def server_started(self) -> None:
        """The management server reads all settings."""
        self._in_force = dict(self._stored)

    def upgrade(self, profile: Profile, *, template: bool) -> None:
        """Another release's code; with `template` its system VM template is registered too, and required from now."""
        self.profile = profile
        if template:
            self.template = profile.template
            self.change(MINIMUM_TEMPLATE, None)  # registration writes these two
            self.change(_ROUTER_TEMPLATE, None)

    def below_minimum(self, router: Router) -> bool:
        """Whether the template version that the router reported is lower than the required one."""
        return version_of(router.template_version) < version_of(self.value(MINIMUM_TEMPLATE))

    def requires_upgrade(self, router: Router) -> bool:
        """`requiresupgrade`: from 4.17 on the router's code must differ as well."""
        outdated = self.below_minimum(router)
        return outdated and (not self.profile.has(4, 17) or router.software_version != self.profile.code_version)

    def refuses(self, router: Router) -> bool:
        """Whether commands to that router are refused (`router.version.check`)."""
        if not self.flag("router.version.check"):
            return False
        return self.below_minimum(router) and router.scripts_version != self.profile.scripts_checksum
