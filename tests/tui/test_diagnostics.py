# SPDX-License-Identifier: Apache-2.0
"""The diagnostics screen: what it asks of a router, and a router that answers whatever it likes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot
from textual.widgets import Input

from csworkbench.cloudstack.diagnostics import Answer, DiagnosticsTarget, Kind, Question
from csworkbench.cloudstack.download import Download
from csworkbench.tui.cloud_app import CloudApp
from csworkbench.tui.diagnostics import LINES_SHOWN, NotAsked, Offers, Talk, lines, parsed, target_of
from csworkbench.tui.diagnostics_actions import DIAGNOSTICS_ACTIONS
from csworkbench.tui.screens.ask import AskScreen
from csworkbench.tui.screens.cloud import CloudScreen
from csworkbench.tui.screens.diagnostics import DiagnosticsScreen
from csworkbench.tui.text import width

from .piloted import Piloted
from .synthetic import HOSTILE
from .test_cloud import CODE, OLD, HandSource, view

PING = "PING 192.0.2.1 56(84) bytes of data.\n64 bytes from 192.0.2.1: icmp_seq=1   time=0.4 ms"


class Router(HandSource):
    """A cloud whose routers answer as they are told to."""

    def __init__(self, *answers: Answer | NotAsked, offers: Offers | NotAsked | None = None) -> None:
        super().__init__(view(OLD, CODE))
        self.answers = list(answers)
        self.offered = offers or Offers()
        self.asked: list[tuple[str, str]] = []
        self.go = asyncio.Event()
        self.go.set()

    async def offers(self) -> Offers:
        if isinstance(self.offered, NotAsked):
            raise self.offered
        return self.offered

    async def ask(self, target: DiagnosticsTarget, asked: Question) -> Answer:
        self.asked.append((target.name, asked.words))
        await self.go.wait()
        answer = self.answers.pop(0)
        if isinstance(answer, NotAsked):
            raise answer
        return answer

    async def collect(self, target: DiagnosticsTarget, folder: Path) -> Download:
        self.asked.append((target.name, str(folder)))
        if not str(folder).endswith("logs"):
            raise NotAsked("No space left on device")
        return Download(folder / "r-7-VM-diagnostics.zip", 3 * 2**20, "ab" * 32, "zip")


class Shown(Piloted[CloudApp]):
    """The cloud's app with the diagnostics in front."""

    def __init__(self, app: CloudApp, pilot: Pilot[Any], router: Router) -> None:
        super().__init__(app, pilot)
        self.router = router

    @property
    def said(self) -> str:
        return str(self.app.screen.query_one("#page-lines").render())


@asynccontextmanager
async def shown(router: Router, size: tuple[int, int] = (120, 40), glyphs: str = "blocks") -> AsyncIterator[Shown]:
    app = CloudApp(router, glyphs=glyphs)
    async with app.run_test(size=size) as pilot:
        s = Shown(app, pilot, router)
        await s.until(lambda: app.cloud.found is not None)
        await s.press("d")
        assert isinstance(app.screen, DiagnosticsScreen)
        screen = app.screen
        await s.until(lambda: screen.offers is not None)
        yield s


def test_the_registry_has_what_the_screen_can_do() -> None:
    own = {name for name in vars(DiagnosticsScreen) if name.startswith("action_")}
    assert own == {f"action_{a.handler.split('(')[0]}" for a in DIAGNOSTICS_ACTIONS}
    keys = [key for a in DIAGNOSTICS_ACTIONS for key in a.keys.split(",")]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_a_ping_and_its_answer(size: tuple[int, int]) -> None:
    router = Router(Answer(PING, "", 0), Answer("", "connect: Network is unreachable", 2), Answer("", "", -1))
    async with shown(router, size) as s:
        router.go.clear()
        await s.press("p", *"192.0.2.1 count=2", "enter")
        await s.until(lambda: "waiting for the job" in s.said)
        await s.press("a")
        assert "is not over yet" in s.notes
        router.go.set()
        await s.until(lambda: "exit code 0" in s.said)
        assert "icmp_seq=1   time=0.4 ms" in s.said  # its columns stay
        assert router.asked == [("r-7-VM", "ping -c 2 192.0.2.1")]
        await s.press("t")
        assert s.app.screen.query_one(Input).value == "192.0.2.1"  # the last address
        s.app.screen.query_one(Input).value = "2001:db8::1"
        await s.press("enter")
        await s.until(lambda: "exit code 2" in s.said)
        assert router.asked[-1] == ("r-7-VM", "traceroute6 -m 20 2001:db8::1")
        assert "Network is unreachable" in s.said
        s.app.screen.action_ask("arping")  # type: ignore[attr-defined]
        await s.pilot.pause()
        s.app.screen.query_one(Input).value = "10.1.1.1 interface=eth0"
        await s.press("enter")
        await s.until(lambda: "it could not be run" in s.said)
        assert all(width(line) <= size[0] for line in s.said.splitlines())


async def test_what_cannot_be_asked() -> None:
    async with shown(Router(NotAsked("the job failed: r-7-VM is not running on a host"))) as s:
        for text, why in (("nonsense!", "no address"), ("10.1.1.1 -c", "neither count"), ("::1", "ARP is IPv4 only")):
            await s.press("a")
            s.app.screen.query_one(Input).value = text
            await s.press("enter")
            await s.until(lambda why=why: why in s.notes)  # type: ignore[misc]
        assert not s.router.asked
        await s.press("p", *"10.1.1.1", "enter")
        await s.until(lambda: "× the job failed: r-7-VM is not running on a host" in s.said)
        await s.press("escape")
        assert isinstance(s.app.screen, CloudScreen)


async def test_a_role_that_may_not() -> None:
    why = "this account may not call runDiagnostics: only a root admin may"
    async with shown(Router(offers=Offers(why, "CloudStack 4.11 has no getDiagnosticsData"))) as s:
        assert why in s.said
        await s.press("p")
        assert why in s.notes
        await s.press("c")
        assert "has no getDiagnosticsData" in s.notes
        assert isinstance(s.app.screen, DiagnosticsScreen)
    async with shown(Router(offers=NotAsked("no route to host"))) as s:
        assert "no route to host" in s.said


async def test_its_logs(tmp_path: Path) -> None:
    async with shown(Router()) as s:
        for folder in (tmp_path / "full", tmp_path / "logs"):
            await s.press("c")
            s.app.screen.query_one(Input).value = str(folder)
            await s.press("enter")
        await s.until(lambda: "3.0 MiB  sha256 abab" in s.said)
        assert "× No space left on device" in s.said
        await s.press("w")
        s.app.screen.query_one(Input).value = str(tmp_path / "said.txt")
        await s.press("enter")
        await s.until((tmp_path / "said.txt").exists)
        assert "No space left" in (tmp_path / "said.txt").read_text()
        assert (tmp_path / "said.txt").stat().st_mode & 0o777 == 0o600
        await s.press("w")
        s.app.screen.query_one(Input).value = str(tmp_path / "said.txt")
        await s.press("enter")
        await s.until(lambda: "is there already" in s.notes)


async def test_from_the_detail_of_a_router() -> None:
    app = CloudApp(Router())
    async with app.run_test() as pilot:
        s = Shown(app, pilot, app.cloud.source)  # type: ignore[arg-type]
        await s.until(lambda: app.cloud.found is not None)
        await s.press("down", "enter")
        assert "look into it: ping, arping, traceroute" in str(app.screen.query_one("#lines").render())
        await s.press("d")
        await s.until(lambda: isinstance(app.screen, DiagnosticsScreen))
        assert app.screen.vm.name == "r-8-VM"  # type: ignore[attr-defined]
    plain = CloudApp(HandSource(view(OLD)))
    async with plain.run_test() as pilot:
        await pilot.pause()
        await pilot.press("d")
        assert not isinstance(plain.screen, DiagnosticsScreen)


@pytest.mark.parametrize("glyphs", ["blocks", "ascii"])
async def test_a_router_that_answers_whatever_it_likes(glyphs: str) -> None:
    text = "\n".join((*HOSTILE, "\x1b[2J\x1b]0;title\x07", "[/]" * 50, "a" * 100_000))
    router = Router(Answer(text, text, 0), Answer("line\n" * 5_000, "", None, cut=True))
    async with shown(router, (80, 24), glyphs) as s:
        await s.press("p", *"10.1.1.1", "enter")
        await s.until(lambda: "exit code 0" in s.said)
        assert s.app.screen.query_one("#page-lines").size.width <= 80
        for line in s.said.splitlines():
            assert line.isprintable()
            assert glyphs == "blocks" or line.isascii()
        await s.press("p", "enter")
        await s.until(lambda: "is cut here" in s.said)
        assert s.said.count("line") <= LINES_SHOWN + 1


@pytest.mark.parametrize("keys", [(), ("p",), ("question_mark",)])
async def test_one_cell_and_back(keys: tuple[str, ...]) -> None:
    async with shown(Router()) as s:
        await s.press(*keys)
        for size in ((1, 1), (3, 2), (20, 5), (120, 40)):
            await s.pilot.resize_terminal(*size)
            await s.pilot.pause()
        assert keys != ("p",) or isinstance(s.app.screen, AskScreen)


@given(st.text(max_size=300), st.text(max_size=60))
def test_any_output_is_printable_lines(text: str, words: str) -> None:
    talk = Talk(target_of(OLD))
    exchange = talk.begin(words, 0)
    exchange.answer, exchange.ended_ns = Answer(text, text, 1), 1
    for line in lines(talk, Offers(), 1):
        assert all(part.isprintable() for part, _ in line)


@given(st.text(max_size=80))
def test_what_is_typed_is_a_question_or_refused(text: str) -> None:
    try:
        asked = parsed(Kind.PING, text)
    except NotAsked:
        return
    assert asked.params.isascii()
