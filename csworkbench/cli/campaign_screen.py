# SPDX-License-Identifier: Apache-2.0
"""The campaign screen's link: the journal on disk, and the process that conducts the campaign."""

import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from csworkbench.campaign.control import NotConducted, ask
from csworkbench.tui.campaign import CampaignLost, Live, LiveRun
from csworkbench.upgrade.campaign import CampaignPlan, CampaignState, Entry, apply
from csworkbench.upgrade.campaign.commands import Refused, entry_for
from csworkbench.upgrade.campaign.folder import CampaignBusy, CampaignFolder, JournalDamaged, numbered
from csworkbench.upgrade.campaign.record import EntryError, decode
from csworkbench.upgrade.campaign.state import replay

from .campaigns import plan_of, who
from .common import fail
from .own_command import own_command
from .run_screen import visit
from .screen_options import Look

LOG = "conductor.log"
UP_S = 20.0  # until the process that conducts a campaign must answer


class JournalLink:
    """One campaign. `plan` is read once: nobody changes it."""

    def __init__(self, folder: CampaignFolder, plan: CampaignPlan) -> None:
        self._folder = folder
        self.plan = plan
        self._read = 0  # bytes
        self._seq = 0

    @property
    def name(self) -> str:
        """The campaign's id."""
        return self._folder.name

    def news(self) -> Sequence[Entry]:
        """The lines that have been written to their end since the last call."""
        found: list[Entry] = []
        try:
            with self._folder.journal.open("rb") as file:
                file.seek(self._read)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    entry = decode(line)
                    if entry.seq != self._seq + 1:
                        raise CampaignLost(f"{self._folder.journal}: entry {entry.seq} after {self._seq}")
                    found.append(entry)
                    self._read, self._seq = self._read + len(line), entry.seq
        except FileNotFoundError:
            raise CampaignLost(f"{self._folder.journal} is not there any more") from None
        except OSError as error:
            raise CampaignLost(f"{self._folder.journal}: {error.strerror or error}") from None
        except EntryError as error:
            raise CampaignLost(f"{self._folder.journal}, after entry {self._seq}: {error}") from None
        return found

    def live(self) -> Live | None:
        """What the conducting process tells; None without one."""
        try:
            told = ask(self._folder.socket, "status")
        except NotConducted:
            return Live() if self._folder.busy else None
        found = told.get("runs")
        runs = {str(run): _live(one) for run, one in found.items()} if isinstance(found, dict) else {}
        return Live(runs, str(told.get("held") or "")[:400])

    def send(self, do: str, target: str = "") -> str:
        """Through the process that conducts it; without one, straight into the journal."""
        try:
            reply = ask(self._folder.socket, do, who=who(), target=target)
        except NotConducted:
            return self._written_down(do, target)
        if "error" in reply:
            raise CampaignLost(str(reply["error"]))
        return str(reply.get("text", ""))

    def _written_down(self, do: str, target: str) -> str:
        try:
            self._folder.lock()
        except (CampaignBusy, OSError) as error:
            raise CampaignLost(str(error)) from None
        try:
            self._folder.mend()
            state: CampaignState = replay(self._folder.entries())
            entries = numbered([entry_for(state, do, who=who(), target=target)], state.seq, datetime.now(UTC))
            self._folder.append(entries)
            apply(state, entries[0])
        except (Refused, JournalDamaged, OSError) as error:
            raise CampaignLost(str(error)) from None
        finally:
            self._folder.unlock()
        return f"{do}: written down; csworkbench upgrade --resume {self.name} goes on with the campaign"


def _live(told: object) -> LiveRun:
    """What one run's entry says; an odd one says nothing."""
    if not isinstance(told, dict):
        return LiveRun("")
    services = told.get("services")
    found = services.items() if isinstance(services, dict) else ()
    down = {
        str(s): of["down_s"] for s, of in found if isinstance(of, dict) and isinstance(of.get("down_s"), int | float)
    }
    return LiveRun(str(told.get("phase", ""))[:40], down)


def watch(folder: CampaignFolder, look: Look) -> int:
    """Show a campaign until the screen is left; a run that is opened comes back to it. The exit code."""
    from csworkbench.tui.screen_app import CampaignApp

    plan, rows = plan_of(folder), None
    while True:
        app = CampaignApp(JournalLink(folder, plan), rows, glyphs=look.glyphs, theme=look.theme)
        run = app.run()
        rows = app.campaign.rows
        if run is None or app.return_code:
            return app.return_code or 0
        visit(run, look)


def conducted(folder: CampaignFolder, words: Sequence[str] = ()) -> None:
    """Conduct it in a process of its own, which outlives the terminal. Ends with 1 when it does not come up."""
    argv = own_command("upgrade", "begin", "--resume", str(folder.path), *words)
    log = folder.path / LOG
    try:
        with log.open("ab") as out:
            log.chmod(0o600)
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    except OSError as error:
        fail(f"cannot start the campaign's process: {error.strerror or error}", 1)
    end = time.monotonic() + UP_S
    while not folder.socket.exists() and child.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    if child.poll():
        fail(f"the campaign's process ended with {child.returncode}; its words are in {log}", 1)
