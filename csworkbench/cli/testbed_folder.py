# SPDX-License-Identifier: Apache-2.0
"""A bed's own folder: its journal, its key, the host keys of its VMs, and the scenario that measures it."""

import os
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import yaml

from csworkbench.cloudstack.testbed.ledger import FILE
from csworkbench.config import yaml12
from csworkbench.config.scenario_file import check_scenario
from csworkbench.recording.library import runs_dir

KEY_BITS = 3072


@dataclass(frozen=True, slots=True)
class BedFolder:
    """Paths of one bed; the folder is the operator's alone."""

    path: Path

    @property
    def journal(self) -> Path:
        """What was made."""
        return self.path / FILE

    @property
    def key(self) -> Path:
        """The private key that opens the VMs."""
        return self.path / "key"

    @property
    def known_hosts(self) -> Path:
        """Host keys of the VMs, as first seen."""
        return self.path / "known_hosts"

    @property
    def scenario(self) -> Path:
        """What `csworkbench run` takes."""
        return self.path / "scenario.yaml"

    def make(self) -> None:
        """Make the folder. Raises OSError."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.chmod(0o700)

    def new_key(self) -> str:
        """Make a key pair, keep the private half (0600), return the public one as a line of authorized_keys.

        RSA: every release of CloudStack and every template takes it.
        """
        key = asyncssh.generate_private_key("ssh-rsa", comment="", key_size=KEY_BITS)
        descriptor = os.open(self.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(key.export_private_key())
        return key.export_public_key().decode().strip()

    def write_scenario(self, text: str) -> None:
        """Keep the scenario. Raises ConfigError when it is none."""
        check_scenario(yaml12.parse(text, str(self.scenario)))
        self.scenario.write_text(text, encoding="utf-8")

    def clear(self) -> None:
        """Remove what we put there, the journal last, and the folder when it is empty then. Raises OSError."""
        for file in (self.key, self.known_hosts, self.scenario, self.journal):
            file.unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()


def bed_folder(name: str) -> BedFolder:
    """Where the bed of that name is kept, beside the runs."""
    return BedFolder(runs_dir().parent / "testbeds" / name)


def scenario_text(folder: BedFolder, cloud: str, network: str, user: str, egress_target: str) -> str:
    """A restart with cleanup of the bed's network, measured from all its VMs and from here."""
    tenants = {"vms": "all", "key": str(folder.key), "known_hosts": str(folder.known_hosts), "host_key": "accept-new"}
    scenario: dict[str, object] = {
        "name": f"restart with cleanup of test bed {folder.path.name}",
        "cloud": cloud,
        "network": network,
        "operation": {"restart": {"cleanup": True}},
        "vantages": {"tenants": {**tenants, **({"user": user} if user else {})}, "outside": {"at": "local"}},
        "lanes": "auto",
    }
    if egress_target:
        scenario["egress_target"] = egress_target
    head = "# Made by `csworkbench testbed up`; goes with `csworkbench testbed down`. Copy it to keep or change it.\n"
    return head + yaml.safe_dump(scenario, sort_keys=False, default_flow_style=None, width=110)
