# SPDX-License-Identifier: Apache-2.0
"""The system VM template: which files a router, or another system VM, finds on its disk when it boots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from csworkbench.lab import scripts
from csworkbench.lab.profiles import Profile

CACHE = "/var/cache/cloud"
SIGNATURE = f"{CACHE}/cloud-scripts-signature"
BOOT_FLAG = f"{CACHE}/boot_up_done"
SYSTEMCTL = "/run/cloud/systemctl"
"""A FIFO: what the VM's systemctl writes its requests to."""
SSHD_CONFIG = "/etc/ssh/sshd_config"
HAPROXY_CONFIG = "/etc/haproxy/haproxy.cfg"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
_AUTHORIZED = "/etc/ssh/authorized_keys"
_AGENTS = frozenset({"secstorage", "consoleproxy"})
_SOFTWARE = "/usr/local/cloud"
AGENT_PROPERTIES = f"{_SOFTWARE}/systemvm/agent.properties"
_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Image:
    """A disk of that template version with a release's scripts on it.

    `kind`: `router`, `vpcrouter`, `dhcpsrvr`, `ilbvm`, `secstorage` or `consoleproxy`, as the boot parameters say it.
    """

    kind: str
    template: str
    release: Profile
    redundant: bool = False
    ipv6: bool = False

    def install(self, spec: dict[str, Any], authorized: str) -> None:
        """Put its files into a host's description; `authorized`: the public key that the hypervisor comes with."""
        code = self.release.code_version
        files = scripts.contents(code)
        spec["layered"] = [*spec.get("layered", []), "/opt", "/usr/share"]
        spec["directories"] |= dict.fromkeys(("/run/cloud", "/usr/share/cloud"), 0o755)
        spec["files"] |= {f"/{path}": (content, scripts.mode(path)) for path, content in files.items()}
        spec["files"] |= {
            "/etc/cloudstack-release": (f"Cloudstack Release {self.template} Thu Jan  1 00:00:00 UTC 1970\n", 0o644),
            _AUTHORIZED: (authorized, _PRIVATE),
            "/opt/cloud/bin/systemctl": (scripts.text("systemctl"), 0o755),
            SIGNATURE: (f"{self.release.scripts_checksum}\n", 0o644),
            f"{CACHE}/cmdline": (f"type={self.kind} redundant_router={int(self.redundant)}\n", 0o644),
            f"{CACHE}/enabled_svcs": (" ".join(self.services()) + "\n", 0o644),
            f"{CACHE}/cloud-scripts.tgz": (as_text(scripts.archive(files)), 0o644),
            f"{CACHE}/agent.zip": (as_text(scripts.agent(code)), 0o644),
            "/var/log/cloud.log": (f"system VM of type {self.kind}, template {self.template}\n", 0o644),
        }
        if self.kind in _AGENTS:
            spec["layered"].append("/usr/local")
            spec["directories"] |= dict.fromkeys((_SOFTWARE, f"{_SOFTWARE}/systemvm"), 0o755)
            spec["files"][AGENT_PROPERTIES] = (scripts.agent_properties(code), 0o644)

    def services(self) -> list[str]:
        """`enabled_svcs`: what a live patch restarts."""
        match self.kind:
            case "router" | "vpcrouter":
                routing = ["frr"] if self.release.has(4, 20) else []
                keepalived = ["keepalived"] if self.release.has(4, 18, 1) else []
                last = keepalived if self.redundant else ["dnsmasq", *(["radvd"] if self.ipv6 else [])]
                return ["haproxy", "apache2", *routing, *last]
            case "dhcpsrvr":
                return ["dnsmasq", "apache2"]
            case "ilbvm":
                return ["haproxy"]
            case "secstorage":
                return ["cloud", "apache2", "nfs-common", "portmap"]
            case "consoleproxy":
                return ["cloud"]
        raise ValueError(f"unknown kind of system VM: {self.kind}")


def patched(kind: str) -> list[str]:
    """The directories and files of a disk that a live patch replaces."""
    return ["/etc", "/opt", SIGNATURE, *([_SOFTWARE] if kind in _AGENTS else [])]


def as_text(content: bytes) -> str:
    """Bytes in a message of JSON; whoever writes the file turns them back."""
    return content.decode(errors="surrogateescape")
