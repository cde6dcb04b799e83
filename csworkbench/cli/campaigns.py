# SPDX-License-Identifier: Apache-2.0
"""The campaigns on disk: found, read, locked."""

import getpass
import os
import socket
from pathlib import Path
from typing import NoReturn

from csworkbench.config import ConfigError, yaml12
from csworkbench.config.campaign_file import check_campaign
from csworkbench.recording.by_name import by_name
from csworkbench.recording.library import runs_dir
from csworkbench.upgrade.campaign.folder import JOURNAL, CampaignBusy, CampaignFolder, JournalDamaged
from csworkbench.upgrade.campaign.plan import CampaignPlan
from csworkbench.upgrade.campaign.state import CampaignState, replay

from .common import fail


def base() -> Path:
    """The folder of all campaigns."""
    return runs_dir().parent / "campaigns"


def all_campaigns() -> list[CampaignFolder]:
    """Every campaign that has begun, newest first."""
    found = sorted(base().glob(f"*/{JOURNAL}"), key=lambda p: p.parent.name, reverse=True)
    return [CampaignFolder(path.parent) for path in found]


def find_campaign(text: str) -> CampaignFolder:
    """By id, unique beginning of an id, `last`, or path; ends with 2 when there is none."""
    if (Path(text) / JOURNAL).is_file():
        return CampaignFolder(Path(text).resolve())
    where = f" under {base()}; `csworkbench upgrade PLAN.yaml` begins one"
    hint = " (`csworkbench upgrade list` lists all)"
    try:
        return by_name(all_campaigns(), text, what="campaign", where=where, hint=hint)
    except LookupError as error:
        fail(str(error), 2)


def state_of(folder: CampaignFolder) -> CampaignState:
    """What its journal comes to; ends with 1 when that cannot be read."""
    try:
        return replay(folder.entries())
    except (JournalDamaged, OSError) as error:
        _damaged(folder, error)


def _damaged(folder: CampaignFolder, error: Exception) -> NoReturn:
    why = f"{error.strerror or error}" if isinstance(error, OSError) else str(error)
    fail(f"the journal of {folder.name} cannot be read: {why}; its runs are kept (`csworkbench runs`)", 1)


def plan_of(folder: CampaignFolder) -> CampaignPlan:
    """The plan as it was when the campaign began; ends with 2 when it cannot be used."""
    try:
        return check_campaign(yaml12.load(folder.plan))
    except ConfigError as error:
        fail(str(error), 2)


def taken(folder: CampaignFolder) -> CampaignState:
    """Lock it and read it for writing; ends with 2 when another process conducts it, with 1 when it is damaged."""
    try:
        folder.lock()
        folder.mend()
        return replay(folder.entries())
    except CampaignBusy:
        fail(f"{folder.name} is conducted by another process: `csworkbench upgrade status {folder.name}`", 2)
    except (JournalDamaged, OSError) as error:
        _damaged(folder, error)


def who() -> str:
    """USER@HOST, through sudo."""
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"
