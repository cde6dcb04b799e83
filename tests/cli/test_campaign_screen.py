# SPDX-License-Identifier: Apache-2.0
"""The campaign screen's link to the disk: the journal as it grows, commands with nobody conducting."""

from pathlib import Path

import pytest

from csworkbench.cli.campaign_screen import JournalLink
from csworkbench.tui.campaign import CampaignLost
from csworkbench.upgrade.campaign import record as rec
from csworkbench.upgrade.campaign.folder import CampaignFolder
from csworkbench.upgrade.campaign.record import encode
from csworkbench.upgrade.campaign.state import Status, replay
from tests.upgrade.campaign.support import Fake, plan, targets


def test_the_journal_is_read_as_it_grows(tmp_path: Path) -> None:
    fake, folder = Fake(plan()).open(targets([0, 1])), CampaignFolder(tmp_path)
    folder.append(fake.journal)
    link = JournalLink(folder, fake.plan)
    assert [type(e.body) for e in link.news()] == [rec.Opened]
    assert link.news() == []
    fake.start()
    lines = [encode(entry) for entry in fake.journal[1:]]
    with folder.journal.open("ab") as file:
        file.write(lines[0] + lines[1][:20])
    assert [e.seq for e in link.news()] == [2]  # the second is not written to its end
    with folder.journal.open("ab") as file:
        file.write(lines[1][20:])
    assert [e.seq for e in link.news()] == [3]
    assert link.live() is None
    with folder.journal.open("ab") as file:
        file.write(b"nonsense\n")
    with pytest.raises(CampaignLost, match="after entry 3"):
        link.news()


def test_commands_with_nobody_conducting_are_written_down(tmp_path: Path) -> None:
    fake, folder = Fake(plan()).open(targets([0, 1])), CampaignFolder(tmp_path)
    folder.append(fake.journal)
    link = JournalLink(folder, fake.plan)
    assert "written down" in link.send("skip", "id-02")
    state = replay(folder.entries())
    assert state.targets["id-02"].status is Status.SKIPPED
    with pytest.raises(CampaignLost, match="skipped already"):
        link.send("skip", "id-02")
    folder.lock()
    try:
        with pytest.raises(CampaignLost, match="conducted by another"):
            JournalLink(CampaignFolder(tmp_path), fake.plan).send("pause")
    finally:
        folder.unlock()


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(CampaignLost, match="not there any more"):
        JournalLink(CampaignFolder(tmp_path / "no"), plan()).news()
