# SPDX-License-Identifier: Apache-2.0
"""Health checks that really look into the router: reachability, processes, tables and files, in one visit."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from csworkbench.lab import plan, records
from csworkbench.lab.faults import Faults
from csworkbench.lab.hosts import LabError
from csworkbench.lab.image import HAPROXY_CONFIG
from csworkbench.lab.orchestrator import Orchestrator
from csworkbench.lab.records import REVOKE, Network, Router
from csworkbench.lab.settings import Settings, version_of

BASIC, ADVANCED = "basic", "advanced"
_SERVICES = (("dhcp", "dnsmasq"), ("loadbalancing", "haproxy"))
_PREFIX = "router.health.checks"
_INVERTED = frozenset({"dhcp.service", "dhcp_check.py", "loadbalancing.service", "haproxy_check.py"})
"""What the fault `health-checks-wrong` tells the opposite of."""

_VISIT = f"""\
echo '== gateway'; ping -n -c 1 -W 1 {plan.PUBLIC_GATEWAY} >/dev/null 2>&1 && echo reachable
echo '== processes'; ps -e -o comm=
echo '== web'; ss -Hltn 'sport = :80'
echo '== haproxy'; cat {HAPROXY_CONFIG} 2>/dev/null
echo '== nat'; iptables-save -t nat
echo '== leases'; cat /run/vr/dhcphosts.txt 2>/dev/null
echo '== names'; cat /run/vr/hosts 2>/dev/null
echo '== disk'; df -Pm / | tail -n 1
echo '== memory'; grep -E '^(MemTotal|MemAvailable):' /proc/meminfo
echo '== load'; cat /proc/loadavg
echo '== writable'; touch /var/log/health && echo yes
"""
"""One shell in the router; each section is the raw material of one check."""
_LAST = "writable"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One row of getRouterHealthCheckResults."""

    name: str
    kind: str
    success: bool
    details: str
    checked: datetime = field(default_factory=records.now)


class Health:
    """The last results of each router, as the management server's database has them."""

    def __init__(self, settings: Settings, orchestrator: Orchestrator) -> None:
        self._settings, self._orchestrator = settings, orchestrator
        self._results: dict[str, tuple[float, list[CheckResult]]] = {}
        self.faults = Faults()

    def known(self, router: Router) -> list[CheckResult]:
        """What was fetched since the router's last start; empty when nothing was yet."""
        fetched_s, results = self._results.get(router.id, (0.0, []))
        started_s = self._orchestrator.routers.started_s.get(router.id)
        return results if started_s is not None and fetched_s >= started_s else []

    def failed(self, router: Router) -> bool:
        """Whether a check of the last fetch failed."""
        return any(not result.success for result in self.known(router))

    async def check(self, router: Router) -> list[CheckResult]:
        """Run all checks now and keep the results. Raises LabError when the router cannot be asked."""
        machine = self._orchestrator.machine(router)
        visit = await machine.host.run("sh", "-c", _VISIT, check=False)
        found = self._judge(router, _sections(visit.output))
        left_out = self._settings.value(f"{_PREFIX}.to.exclude", zone=router.served.zone_id)
        excluded = {name.strip() for name in left_out.split(",")}
        results = [result for result in found if result.name not in excluded]
        if self.faults.is_set("health-checks-wrong"):
            results = [_inverted(result) if result.name in _INVERTED else result for result in results]
        self._results[router.id] = (time.monotonic(), results)
        return results

    def _judge(self, router: Router, seen: dict[str, str]) -> list[CheckResult]:
        if _LAST not in seen:  # it was powered off meanwhile
            raise LabError(f"{router.name} does not answer")
        processes = set(seen["processes"].split())
        results = [
            CheckResult("connectivity.test", BASIC, success=True, details="Successfully connected to router"),
            _result("filesystem.writable.test", BASIC, "yes" in seen["writable"], "filesystem is writable"),
            _result("gateways_check.py", BASIC, "reachable" in seen["gateway"], "All 1 gateways are reachable"),
            *self._resources(router, seen),
            self._version(router),
        ]
        results += [
            _result(f"{service}.service", BASIC, process in processes, "service is running")
            for service, process in _SERVICES
            if service == "dhcp" or router.kind != "dhcpsrvr"
        ]
        results.append(_result("webserver.service", BASIC, ":80 " in seen["web"], "service is running"))
        return [
            *results,
            _iptables(router.served.networks, seen["nat"]),
            _dhcp(router.served.networks, seen["leases"]),
            _dns(router.served.networks, seen["names"]),
            _haproxy(router.served.networks, seen["haproxy"]),
        ]

    def _resources(self, router: Router, seen: dict[str, str]) -> list[CheckResult]:
        def limit(what: str) -> int:
            return self._settings.number(f"{_PREFIX}.{what}.threshold", zone=router.served.zone_id)

        memory = [int(number) for number in re.findall(r"(\d+) kB", seen["memory"])]
        used = 100 - 100 * memory[1] // memory[0] if len(memory) == 2 and memory[0] else 0
        disk = seen["disk"].split()
        free_mb = int(disk[3]) if len(disk) > 3 and disk[3].isdigit() else 0
        load = seen["load"].split()[:1] or ["0"]
        return [
            CheckResult("cpu_usage_check.py", BASIC, success=True, details=f"CPU Usage within limits, load {load[0]}"),
            _result(
                "memory_usage_check.py", BASIC, used <= limit("max.memory.usage"), f"Memory Usage {used}% in limits"
            ),
            _result(
                "disk_space_check.py", BASIC, free_mb >= limit("free.disk.space"), f"Sufficient space: {free_mb}MB"
            ),
        ]

    def _version(self, router: Router) -> CheckResult:
        template = version_of(router.template_version) == version_of(self._settings.template)
        current = template and router.scripts_version == self._settings.profile.scripts_checksum
        text = "Template and scripts version match successful" if current else "Template or scripts version mismatch"
        return CheckResult("router_version_check.py", BASIC, current, text)


def _iptables(networks: Sequence[Network], nat: str) -> CheckResult:
    missing = [
        f"{rule.ip.address}:{rule.public_port}"
        for network in networks
        for rule in network.forwarding
        if rule.state != REVOKE
        and not re.search(
            rf"-A PREROUTING -d {re.escape(rule.ip.address)}/32 .*--dport {rule.public_port} .*"
            rf"-j DNAT --to-destination {re.escape(rule.vm.address)}:{rule.private_port}",
            nat,
        )
    ]
    return _missing("iptables_check.py", missing, f"No rule is missing, {nat.count('-j DNAT')} DNAT entries")


def _haproxy(networks: Sequence[Network], configuration: str) -> CheckResult:
    missing = [
        f"{rule.ip.address}:{rule.public_port}"
        for network in networks
        for rule in network.balancers
        if rule.state != REVOKE and rule.vms and f"{rule.ip.address}:{rule.public_port}" not in configuration
    ]
    return _missing("haproxy_check.py", missing, "All load balancer rules are present in haproxy.cfg")


def _dhcp(networks: Sequence[Network], leases: str) -> CheckResult:
    vms = [vm for network in networks for vm in network.vms]
    missing = [vm.name for vm in vms if vm.mac not in leases or vm.address not in leases]
    return _missing("dhcp_check.py", missing, f"All {len(vms)} VMs are present in dhcphosts.txt")


def _dns(networks: Sequence[Network], names: str) -> CheckResult:
    vms = [vm for network in networks for vm in network.vms]
    missing = [vm.name for vm in vms if f"{vm.address} {vm.name}" not in names]
    return _missing("dns_check.py", missing, f"All {len(vms)} VMs are present in hosts")


def _inverted(result: CheckResult) -> CheckResult:
    return _result(result.name, result.kind, not result.success, "everything is there")


def _result(name: str, kind: str, success: bool, text: str) -> CheckResult:
    return CheckResult(name, kind, success, text if success else f"not so: {text}")


def _missing(name: str, missing: list[str], text: str) -> CheckResult:
    return CheckResult(name, ADVANCED, not missing, f"Missing elements: {', '.join(missing)}" if missing else text)


def _sections(output: str) -> dict[str, str]:
    parts = re.split(r"^== (\w+)\n", output, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
