# SPDX-License-Identifier: Apache-2.0
"""`csworkbench` without a command: on a terminal, without one, in lines; and the connection test."""

import asyncio
import contextlib
import os
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner

from csworkbench.cli import cli, planner
from csworkbench.cli.connection import try_cloud
from csworkbench.cli.home import CommandHome
from csworkbench.config.cloud_writer import NewCloud, add_cloud
from csworkbench.config.clouds import Cloud
from csworkbench.lab.tls import Authority
from csworkbench.model.operation import LivePatch, Operation
from csworkbench.model.scenario import Phases, Scenario
from csworkbench.recording.library import runs_dir
from csworkbench.tui.home import HomeError, Profile
from csworkbench.tui.plan import PlanError
from csworkbench.upgrade.choices import Choice

from .terminal import Terminal

COMMAND = [sys.executable, "-m", "csworkbench"]
NEW = NewCloud("prod", "https://127.0.0.1:1/client/api", "key", "s3cret")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CLOUDSTACK_ENDPOINT", "CLOUDSTACK_KEY", "CLOUDSTACK_SECRET"):
        monkeypatch.delenv(name, raising=False)


def config() -> Path:
    return Path(os.environ["CSWORKBENCH_CONFIG"])


def test_without_a_terminal_it_prints_help_and_ends_with_2() -> None:
    done = CliRunner().invoke(cli, [])
    assert done.exit_code == 2
    assert "--read-only" in done.output
    assert "demo" in done.output


@pytest.mark.parametrize("options", [["--cloud", "x"], ["--plain"], ["--slow"]])
def test_the_options_are_for_no_command(options: list[str]) -> None:
    done = CliRunner().invoke(cli, [*options, "runs"])
    assert done.exit_code == 2
    assert "belong behind 'runs'" in done.output


def test_in_lines_without_a_cloud() -> None:
    done = CliRunner().invoke(cli, ["--plain"])
    assert done.exit_code == 2
    assert "name one with --cloud: lab" in done.output


def test_in_lines_with_a_cloud_that_does_not_answer() -> None:
    add_cloud(config(), NEW)
    done = CliRunner().invoke(cli, ["--plain"])
    assert done.exit_code == 1
    assert "127.0.0.1:1 refused the connection" in done.output
    assert "s3cret" not in done.output


def test_a_broken_layout_ends_with_2(tmp_path: Path) -> None:
    terminal = Terminal([*COMMAND, "--layout", str(tmp_path / "none.yaml")], dict(os.environ))
    try:
        terminal.until("no such layout")
        assert terminal.end() == 2
    finally:
        terminal.close()


def test_on_a_terminal_it_offers_the_test_cloud() -> None:
    terminal = Terminal(COMMAND, dict(os.environ))
    try:
        terminal.until("which cloud?")
        terminal.until("test cloud")
        terminal.until("new cloud")
        terminal.type("q")
        assert terminal.end() == 0
    finally:
        terminal.close()


async def test_what_there_is_to_choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".cmk").mkdir()
    (tmp_path / ".cmk" / "config").write_text("[old]\nurl = https://o/client/api\napikey = a\nsecretkey = b\n")
    monkeypatch.setenv("CLOUDSTACK_ENDPOINT", "https://e/client/api")
    monkeypatch.setenv("CLOUDSTACK_KEY", "k")
    monkeypatch.setenv("CLOUDSTACK_SECRET", "s")
    home = CommandHome(read_only=False)
    assert home.first() == ""
    assert [c.id for c in await home.clouds()] == ["old", "env", "lab up", "lab up old"]
    home.keep(Profile("prod", "https://p/client/api", "k", "s3cret"))
    assert home.first() == "prod"
    assert CommandHome(read_only=False, wanted="old").first() == "old"
    config().write_text(config().read_text() + "  eu: {endpoint: https://eu, key: k, read_only: true}\n")
    found = {c.name: c.read_only for c in await home.clouds() if c.source == "config.yaml"}
    assert found == {"prod": False, "eu": True}
    assert home.first() == ""
    assert home.open("eu").read_only
    assert not home.open("prod").read_only
    assert CommandHome(read_only=True).open("prod").read_only
    with pytest.raises(HomeError, match="already"):
        home.keep(Profile("prod", "https://p", "k", "s"))
    config().write_text("clouds: 3\n")
    with pytest.raises(HomeError, match=r"config\.yaml:1"):
        await home.clouds()


# The connection test, against real servers on the loopback


@contextlib.asynccontextmanager
async def serving(reply: web.Response, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that gives every question the same reply; its endpoint."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=reply.body, status=reply.status, headers=dict(reply.headers))

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{port}/client/api"
    finally:
        await runner.cleanup()


def cloud(endpoint: str, **others: object) -> Cloud:
    return Cloud("c", endpoint, "key", "s3cret", **others)  # type: ignore[arg-type]


def refusal() -> web.Response:
    text = '{"listapisresponse": {"errorcode": 401, "errortext": "unable to verify user credentials"}}'
    return web.Response(text=text, status=401, content_type="application/json")


async def test_a_wrong_secret() -> None:
    async with serving(refusal()) as endpoint:
        tried = await try_cloud(cloud(endpoint))
    assert not tried.good
    assert "refuses this key or its secret" in tried.what
    assert "Copy both again" in tried.remedy


async def test_a_clock_that_is_off() -> None:
    reply = refusal()
    reply.headers["Date"] = "Fri, 20 Nov 2020 12:00:00 GMT"
    async with serving(reply) as endpoint:
        tried = await try_cloud(cloud(endpoint))
    assert "ahead of the server's" in tried.what
    assert "Set the clock first" in tried.remedy


@pytest.mark.parametrize(
    "reply",
    [
        web.Response(text="<html>It works!</html>", content_type="text/html"),
        web.Response(text="not found", status=404),
        web.Response(text='{"hello": 1}', content_type="application/json"),
        web.Response(status=302, headers={"Location": "https://127.0.0.1/login"}),
    ],
    ids=["page", "404", "json", "redirect"],
)
async def test_not_a_cloudstack(reply: web.Response) -> None:
    async with serving(reply) as endpoint:
        tried = await try_cloud(cloud(endpoint))
    assert not tried.good
    assert "is not a CloudStack API" in tried.what
    assert "/client/api" in tried.remedy


async def test_nobody_listens_and_no_address() -> None:
    tried = await try_cloud(cloud("http://127.0.0.1:1/client/api"))
    assert "refused the connection" in tried.what
    assert "port right" in tried.remedy
    assert "must look like https://" in (await try_cloud(cloud("cloud.example.org"))).what


async def test_a_certificate_of_a_private_ca(tmp_path: Path) -> None:
    authority = Authority.of(tmp_path)
    file = authority.ca_file
    async with serving(refusal(), authority.server_context()) as endpoint:
        unknown = await try_cloud(cloud(endpoint))
        assert "certificate" in unknown.what
        assert "CA file" in unknown.remedy
        assert "refuses this key" in (await try_cloud(cloud(endpoint, ca_file=file))).what
        plain = await try_cloud(cloud(endpoint.replace("https", "http")))
        assert not plain.good
    missing = await try_cloud(cloud("https://127.0.0.1:1", ca_file=tmp_path / "none.pem"))
    assert "no CA certificates" in missing.what
    with file.open("w") as opened:
        opened.write("no certificate at all")
    assert not (await try_cloud(cloud("https://127.0.0.1:1", ca_file=file))).good


# Files and refusals of the planner


CHOICE = Choice("live patch", Operation(live_patch=LivePatch()), "network", "net-1")


def test_a_scenario_is_saved_and_opened(tmp_path: Path) -> None:
    made = planner.CloudPlanner("prod", read_only=False)
    scenario = made.draft(CHOICE, "web")
    assert (scenario.name, scenario.target, scenario.cloud) == ("live patch web", ("network", "net-1"), "prod")
    where = made.save(scenario, str(tmp_path / "mine"), overwrite=False)
    assert where.endswith("mine.yaml")
    assert made.load(where) == scenario
    with pytest.raises(PlanError, match="there already"):
        made.save(scenario, where, overwrite=False)
    made.save(scenario, where, overwrite=True)
    with pytest.raises(PlanError, match="open that cloud first"):
        planner.CloudPlanner("other", read_only=False).load(where)
    with pytest.raises(PlanError, match="cannot be read"):
        made.load(str(tmp_path / "none.yaml"))
    with pytest.raises(PlanError, match="cannot be written"):
        made.save(scenario, str(tmp_path / "no" / "mine.yaml"), overwrite=False)
    with pytest.raises(PlanError, match=r"^baseline: 0\.1 is not between"):
        made.checked(Scenario("x", network="n", phases=Phases(baseline=0.1)))


async def test_read_only_starts_nothing() -> None:
    made = planner.CloudPlanner("prod", read_only=True)
    with pytest.raises(PlanError, match="READ ONLY"):
        await made.start(made.draft(CHOICE, "web"), force=False)
    assert not runs_dir().exists()


@pytest.fixture
def broken_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("csworkbench.cli.own_command.sys.executable", "/bin/false")
    yield


@pytest.mark.usefixtures("broken_engine")
async def test_an_engine_that_dies_is_said() -> None:
    made = planner.CloudPlanner("prod", read_only=False)
    with pytest.raises(PlanError, match=r"the engine did not start; see .*engine\.log"):
        async with asyncio.timeout(60):
            await made.start(made.draft(CHOICE, "web"), force=False)
