# SPDX-License-Identifier: Apache-2.0
"""The CloudStack releases that the lab behaves like, where they differ."""

from __future__ import annotations

from dataclasses import dataclass

from csworkbench.lab import scripts

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """One release; `template` is the system VM template that its routers report."""

    name: str
    release: Version
    template: str

    def has(self, *since: int) -> bool:
        """Whether something that came with that release is there."""
        return self.release >= since

    @property
    def code_version(self) -> str:
        """`cloudstackversion`: four parts, as `listCapabilities` shows it."""
        return ".".join(str(part) for part in (*self.release, 0)[:4])

    @property
    def rolling(self) -> bool:
        """New router beside the old one, rather than destroy first."""
        return self.has(4, 11, 1)

    @property
    def cleanup_default(self) -> bool:
        """What `cleanup` means when it is not sent."""
        return not self.has(4, 11, 1)

    @property
    def restart_required_after_reapply(self) -> bool:
        """4.9-4.11.1 and 4.12-4.13.0 set the flag to the wrong value."""
        return not self.has(4, 11, 2) or ((4, 12) <= self.release < (4, 13, 1))

    @property
    def scripts_checksum(self) -> str:
        """Of the router's cloud-scripts.tgz."""
        return scripts.checksum(self.code_version, self.scripts_algorithm)

    @property
    def scripts_algorithm(self) -> str:
        """Of that checksum."""
        return "sha512" if self.has(4, 22) else "md5"


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("4.9", (4, 9, 3), "4.6.0"),
        Profile("4.11.1", (4, 11, 1), "4.11.1"),
        Profile("4.17", (4, 17, 2), "4.17.2"),
        Profile("4.22", (4, 22, 0), "4.22.0"),
    )
}
