# SPDX-License-Identifier: Apache-2.0
"""`csworkbench` without a command: the workbench on the configured cloud, or the choice of one."""

import os
from pathlib import Path

import click

from csworkbench.config import ConfigError
from csworkbench.config.cloud_list import Listed, Source, configured, others
from csworkbench.config.cloud_writer import NewCloud, add_cloud
from csworkbench.config.clouds import Cloud, cloudmonkey_file, config_file, find_cloud
from csworkbench.config.keys_file import load_keys
from csworkbench.tui.home import CloudChoice, HomeError, Place, Profile, Progress, Tried
from csworkbench.tui.plan import OpenRun

from .cloud_screen import ApiSource
from .common import fail, has_terminal
from .connection import try_cloud
from .lab_cloud import running_lab
from .own_command import complaint
from .planner import LAB, CloudPlanner, newest_run
from .screen_options import Look

NEW_LAB, OLD_LAB = "lab up", "lab up old"
_UP = {NEW_LAB: ["lab", "up"], OLD_LAB: ["lab", "up", "--profile", "4.17"]}
_UPGRADE = ["lab", "manage", "upgrade", "4.22", "--code-only"]
_LABS = {
    NEW_LAB: "start one: CloudStack 4.22, everything current",
    OLD_LAB: "start one: 4.17 upgraded to 4.22, needs a live patch",
}


class CommandHome:
    """The clouds of config.yaml, cloudmonkey, the environment, and the test cloud. See Home."""

    def __init__(self, *, read_only: bool, wanted: str = "") -> None:
        self._read_only, self._wanted = read_only, wanted

    def _configured(self) -> list[Listed]:
        try:
            return configured(config_file())
        except ConfigError as error:
            raise HomeError(str(error)) from None

    async def clouds(self) -> tuple[CloudChoice, ...]:
        """The configured ones first, the test cloud last."""
        own = self._configured()
        names = {one.name for one in own}
        more = [one for one in others(os.environ, cloudmonkey_file()) if one.name not in names]
        found = [CloudChoice(one.name, one.name, _where(one), one.endpoint, self._closed(one)) for one in (*own, *more)]
        lab = await running_lab()
        if lab is not None:
            return (*found, CloudChoice(LAB, "test cloud", "up", lab.endpoint, self._read_only))
        return (*found, *(CloudChoice(key, "test cloud", text, starts=True) for key, text in _LABS.items()))

    def _closed(self, one: Listed) -> bool:
        return self._read_only or one.read_only

    def first(self) -> str:
        """The cloud that was asked for, or the only one that is configured."""
        own = self._configured()
        return self._wanted or (own[0].name if len(own) == 1 else "")

    def open(self, cloud: str) -> Place:
        """The cloud of that id; whether it answers is seen when it is read."""
        closed = self._read_only or any(one.name == cloud and one.read_only for one in self._configured())
        return Place(ApiSource(cloud), CloudPlanner(cloud, read_only=closed), closed)

    async def start_test_cloud(self, cloud: str, progress: Progress) -> str:
        """Start it as a command would."""
        progress("starting a test cloud")
        await _do(_UP[cloud])
        if cloud == OLD_LAB:
            progress("upgrading its management server to 4.22")
            await _do(_UPGRADE)
        return LAB

    async def test(self, cloud: str) -> Tried:
        """Ask a cloud that is there."""
        try:
            if cloud == LAB:
                lab = await running_lab()
                if lab is None:
                    return Tried(False, "the test cloud is down", "g looks again; then it can be started from here.")
                return await try_cloud(Cloud(LAB, lab.endpoint, lab.key, lab.secret, ca_file=lab.ca_file))
            return await try_cloud(find_cloud(cloud, os.environ, config_file(), cloudmonkey_file()))
        except ConfigError as error:
            return Tried(False, str(error), "Correct it there, then g looks again.")

    async def test_new(self, profile: Profile) -> Tried:
        """Ask with what was filled in."""
        return await try_cloud(
            Cloud(profile.name, profile.endpoint, profile.key, profile.secret, ca_file=_ca(profile.ca_file))
        )

    def keep(self, profile: Profile) -> str:
        """Write it into config.yaml, its secret into a file of its own."""
        ca_file = _ca(profile.ca_file)
        cloud = NewCloud(
            profile.name, profile.endpoint, profile.key, profile.secret, str(ca_file.absolute()) if ca_file else ""
        )
        try:
            add_cloud(config_file(), cloud)
        except ConfigError as error:
            raise HomeError(str(error)) from None
        return profile.name

    def live(self) -> OpenRun | None:
        """The newest run that goes on."""
        return newest_run()


def _ca(text: str) -> Path | None:
    return Path(text).expanduser() if text else None


def _where(one: Listed) -> str:
    return "CLOUDSTACK_* variables" if one.source is Source.ENVIRONMENT else str(one.source)


async def _do(words: list[str]) -> None:
    """A command of ours. Raises HomeError with its last line."""
    if why := await complaint(words):
        raise HomeError(f"`csworkbench {' '.join(words)}` did not work: {why}; `csworkbench doctor` helps")


def open_home(ctx: click.Context, *, read_only: bool, plain: bool, cloud: str, look: Look) -> int:
    """Run the workbench and return the exit code; without a terminal print the help."""
    if plain:
        return _plain(cloud)
    if not has_terminal():
        click.echo(ctx.get_help())
        return 2
    from csworkbench.tui.home_app import HomeApp
    from csworkbench.tui.layout import LayoutError

    from .run_screen import library, visit

    while True:
        try:
            app = HomeApp(
                CommandHome(read_only=read_only, wanted=cloud), look.layout, read_only, slow=look.slow,
                glyphs=look.glyphs, theme=look.theme, keys=load_keys(config_file()), library=library,
            )  # fmt: skip
        except (LayoutError, ConfigError) as error:
            fail(str(error), 2)
        app.run()
        if not app.wanted or app.return_code:
            return app.return_code or 0
        visit(app.wanted, look)  # from the run library; then back to the cloud that was open
        cloud = app.cloud


def _plain(cloud: str) -> int:
    """The cloud's state in lines, and how to go on in lines: for links on which no screen is a pleasure."""
    from .preflight import read_and_print

    try:
        own = configured(config_file())
    except ConfigError as error:
        fail(str(error), 2)
    name = cloud or (own[0].name if len(own) == 1 else "")
    if not name:
        known = [one.name for one in (*own, *others(os.environ, cloudmonkey_file()))]
        fail(f"no single cloud is configured: name one with --cloud: {', '.join([*known, LAB])}", 2)
    code = read_and_print(name)
    click.echo("Go on in lines with: csworkbench run SCENARIO.yaml; csworkbench attach --plain", err=True)
    return code
