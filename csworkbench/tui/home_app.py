# SPDX-License-Identifier: Apache-2.0
"""The whole workbench: choose a cloud, look at it, plan a run, watch it, and back to the cloud."""

from collections.abc import AsyncIterator, Callable, Mapping

from rich.text import Text

from csworkbench.model.event import Event

from .app import WorkbenchApp
from .home import Home, HomeError
from .plan import OpenRun
from .plan_messages import RunStarted
from .runs import RunLibrary
from .screens.choose import ChooseScreen, CloudChosen
from .screens.cloud import CloudScreen
from .screens.home_cloud import AttachAsked, HomeCloudScreen, OtherCloudAsked
from .screens.plan import PlanScreen
from .screens.session import SessionScreen
from .text import clean
from .view import RunView


class _NoRun:
    """The feed while no run is shown."""

    live, where = False, ""

    async def events(self) -> AsyncIterator[list[Event]]:
        """None."""
        nothing: list[list[Event]] = []
        for batch in nothing:
            yield batch

    async def send(self, command: str, **args: str) -> None:
        """Nobody is there."""


class HomeApp(WorkbenchApp):
    """One run at a time is shown; leaving it leads back to its cloud."""

    def __init__(
        self,
        home: Home,
        layout: str = "operator",
        read_only: bool = False,
        *,
        slow: bool = False,
        glyphs: str = "",
        theme: str = "dark",
        keys: Mapping[str, str] | None = None,
        library: Callable[[], RunLibrary] | None = None,
    ) -> None:
        super().__init__(_NoRun(), layout, read_only, slow=slow, glyphs=glyphs, theme=theme, keys=keys, library=library)
        self.home = home
        self.cloud = ""  # the one that is open
        self._run: OpenRun | None = None
        self._told: list[str] = []  # what is said when the workbench ends

    async def begin(self) -> None:
        """The configured cloud, or the choice of one."""
        try:
            first = self.home.first()
        except HomeError as error:
            first = ""
            self._say(clean(str(error)), "error")
        if first:
            await self._open(first)
        else:
            await self.push_screen(ChooseScreen(self.home, self.glyphs, read_only=self.read_only))

    async def _open(self, cloud: str) -> None:
        try:
            place = self.home.open(cloud)
        except HomeError as error:
            self._say(clean(str(error)), "error")
            return
        self.cloud = cloud
        await self._down_to(ChooseScreen)
        await self.push_screen(HomeCloudScreen(place, self.glyphs), lambda _: self._cloud_left())

    async def _down_to(self, *kinds: type) -> None:
        """Leave the screens above the nearest one of these kinds; all of them when there is none."""
        while len(self.screen_stack) > 1 and not isinstance(self.screen, kinds):
            await self.pop_screen()

    async def on_cloud_chosen(self, message: CloudChosen) -> None:
        """Open it."""
        message.stop()
        await self._open(message.cloud)

    async def on_other_cloud_asked(self, message: OtherCloudAsked) -> None:
        """Back to the list, which may not have been shown yet."""
        message.stop()
        await self._down_to(ChooseScreen)
        if not isinstance(self.screen, ChooseScreen):
            await self.push_screen(ChooseScreen(self.home, self.glyphs, read_only=self.read_only))

    def _cloud_left(self) -> None:
        """Esc in the cloud's list: to the list of clouds where that is behind it, else out."""
        if not isinstance(self.screen, ChooseScreen):
            self._farewell()

    # Runs

    async def on_run_started(self, message: RunStarted) -> None:
        """Show it in place of its plan."""
        message.stop()
        if isinstance(self.screen, PlanScreen):
            await self.pop_screen()
        await self._show_run(message.run)

    async def on_attach_asked(self, message: AttachAsked) -> None:
        """Show the newest run that goes on."""
        message.stop()
        run = self.home.live()
        if run is None:
            self._say("No run is going on; `csworkbench runs` lists the finished ones", "warning")
        else:
            await self._show_run(run)

    async def _show_run(self, run: OpenRun) -> None:
        place = next((s.place for s in self.screen_stack if isinstance(s, HomeCloudScreen)), None)
        read_only = self.read_only or (place is not None and place.read_only)
        self._run, self.feed, self._export = run, run.feed, run.export
        keys = self.view.keys
        self.view = RunView(live=True, where=run.feed.where, read_only=read_only, clock=self.clock)
        self.view.keys = keys
        self._session = SessionScreen(self.view, self._plan, self.glyphs)
        await self.push_screen(self._session)
        self.run_worker(self._follow(), name="feed", group="feed", exclusive=True)

    async def action_cloud(self) -> None:
        """The run's cloud is behind it."""
        place = next((s.place for s in self.screen_stack if isinstance(s, HomeCloudScreen)), None)
        if place is not None and self._run is not None and not isinstance(self.screen, CloudScreen):
            self.push_screen(CloudScreen(place.source, self.glyphs))

    def action_leave(self) -> None:
        """Out of the run, asking when it goes on; without a run out of the workbench."""
        if self._run is not None:
            super().action_leave()
        else:
            self._farewell()

    def _goodbye(self) -> None:
        """From the run back to its cloud, which is read again: its needs may have changed."""
        if self._run is None:
            self._farewell()
            return
        run, self._run = self._run, None
        self._told.append(self._about(run))
        self.run_worker(self._back(run), name="back", exclusive=False)

    def _about(self, run: OpenRun) -> str:
        where = clean(self.view.where)
        text = f"Run folder: {where}"
        if self.view.running:
            text = f"The run goes on. See it again with: csworkbench attach {run.name}\n{text}"
        elif self.view.closed:
            text += f"\n`csworkbench show {run.name}` prints the result."
        return text + (f"\nExported to {clean(self.view.exported)}" if self.view.exported else "")

    async def _back(self, run: OpenRun) -> None:
        going = self.view.running
        self.workers.cancel_group(self, "feed")
        await run.close()
        await self._down_to(HomeCloudScreen, ChooseScreen)
        self._session, self.feed = None, _NoRun()
        keys = self.view.keys
        self.view = RunView(live=False, where="", read_only=self.read_only, clock=self.clock)
        self.view.keys = keys
        if isinstance(self.screen, HomeCloudScreen):
            self.screen.action_read()
        if going:
            self._say("The run goes on: a shows it again", "information")

    def _farewell(self) -> None:
        """Out; says where the runs are."""
        self.exit(message=Text("\n".join(self._told)) if self._told else None)
