# SPDX-License-Identifier: Apache-2.0
"""Logins against the test cloud's API: sessions that end, second factors, roles; no secret is kept anywhere."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from csworkbench.cloudstack import Client, CloudStackError, Login, Surroundings, Unauthorized
from csworkbench.cloudstack.errors import BadReply, TwoFactor
from csworkbench.cloudstack.login import AskCode
from csworkbench.lab.api.server import PATH
from csworkbench.model.event import ApiCalled
from tests.lab.served import Served, served

from .support import Bench, FakeCloud, HandClock, MemoryJournal, Raw, refusal

QUICK = Surroundings(calls_per_second=200)
COOKIES = {"Set-Cookie": "JSESSIONID=c00kie; Path=/client; HttpOnly"}


def login_of(api: Served, user: str, ask_code: AskCode | None = None) -> Login:
    account = api.server.accounts.listing()[user]
    return Login(str(api.http.make_url(PATH)), user, account["password"], account["domain"], ask_code)


@pytest.mark.parametrize(
    ("written", "sent"), [("", "/"), ("/", "/"), ("ROOT", "/"), ("ROOT/a/b", "/a/b"), ("a/b", "/a/b"), ("/a/", "/a")]
)
def test_a_domain_as_people_write_it(written: str, sent: str) -> None:
    assert Login("https://h", "u", "p", written).path == sent


@asynccontextmanager
async def logged_in(api: Served, login: Login) -> AsyncIterator[tuple[Client, MemoryJournal]]:
    """A client and its journal; in the end nothing that the journal keeps tells a secret."""
    journal = MemoryJournal()
    async with Client(login, journal=journal, around=QUICK) as client:
        yield client, journal
    kept = repr(journal.bodies)
    open_sessions = api.server.sessions._open
    assert open_sessions == {}, "nobody logged out"
    for account in api.server.accounts.listing().values():
        assert account["password"] not in kept
        assert account["pin"] not in kept
    assert login.password not in repr(login)


def logins(journal: MemoryJournal) -> int:
    return sum(call.command == "login" for call in journal.of(ApiCalled))


@pytest.mark.parametrize("release", ["4.9", "4.11.1", "4.17", "4.22"])
async def test_a_login_serves_reads_and_changes_and_ends(release: str) -> None:
    async with served(release) as api, logged_in(api, login_of(api, "admin")) as (client, journal):
        assert await client.list_all("listZones", "zone")
        reply = await client.call("restartNetwork", id=api.server.network.id, cleanup=False)
        assert reply["jobid"]
        calls = journal.of(ApiCalled)
        assert [call.command for call in calls] == ["login", "listZones", "restartNetwork"]
        assert {call.method for call in calls} == {"POST"}
        assert "sessionkey" not in calls[1].params
        assert calls[0].params["password"] == "***"
        assert '"sessionkey":"***"' in calls[0].reply


async def test_a_session_that_ended_is_opened_again_for_reads_and_changes() -> None:
    async with served("4.22") as api, logged_in(api, login_of(api, "admin")) as (client, journal):
        await client.call("listZones")
        api.server.restart()
        await client.call("listZones")
        api.server.restart()
        assert (await client.call("restartNetwork", id=api.server.network.id, cleanup=False))["jobid"]
        assert logins(journal) == 3


async def test_a_domain_admin_logs_in_to_the_own_domain() -> None:
    async with served("4.22") as api, logged_in(api, login_of(api, "dom")) as (client, _):
        assert not (await client.capabilities()).has("listHosts")
        assert (await client.capabilities()).has("listRouters")


async def test_wrong_passwords_say_whom_and_not_what() -> None:
    async with served("4.22") as api:
        login = replace(login_of(api, "dom"), password="guessed-wr0ng")
        with pytest.raises(Unauthorized, match="dom in /tenants") as caught:
            async with logged_in(api, login) as (client, _):
                await client.call("listZones")
        assert "guessed" not in str(caught.value)


async def test_a_rejected_password_is_not_sent_again(bench: Bench) -> None:
    """CloudStack disables a user after five wrong ones."""
    login = enter(bench.cloud)
    bench.cloud.answers["login"] = refusal(531, "please provide valid credentials", "login")
    async with Client(login, journal=bench.journal, around=HandClock().surroundings()) as client:
        for _ in range(3):
            with pytest.raises(Unauthorized, match="valid credentials"):
                await client.call("listZones")
    assert len(bench.cloud.calls("login")) == 1


async def test_the_second_factor_is_asked_once_a_session() -> None:
    async with served("4.22") as api:
        api.server.accounts.second_factor.add(api.server.accounts.named("ops").user_id)
        pin, asked = api.server.accounts.listing()["ops"]["pin"], []

        async def give(provider: str) -> str:
            asked.append(provider)
            return f" {pin}\n"

        async with logged_in(api, login_of(api, "ops", give)) as (client, journal):
            await client.call("listZones")
            await client.call("listNetworks")
            assert asked == ["staticpin"]
            api.server.restart()
            await client.call("listZones")
            assert asked == ["staticpin"] * 2
            assert "codefor2fa" not in journal.of(ApiCalled)[1].params


async def test_a_wrong_code_and_nobody_to_give_one() -> None:
    async with served("4.22") as api:
        api.server.accounts.second_factor.add(api.server.accounts.named("ops").user_id)

        async def wrong(_provider: str) -> str:
            return "000000x"

        for ask, said in ((wrong, "Try again with a new code"), (None, "nobody to give it")):
            client = Client(login_of(api, "ops", ask), journal=MemoryJournal(), around=QUICK)
            with pytest.raises(TwoFactor, match=said) as caught:
                await client.call("listZones")
            assert "000000x" not in str(caught.value)
            await client.__aexit__(None, None, None)


def enter(cloud: FakeCloud, **reply: Any) -> Login:
    cloud.answers["login"] = lambda _: Raw(200, _envelope({"sessionkey": "s3ss", **reply}), COOKIES)
    cloud.answers["logout"] = {"description": "success"}
    return Login(cloud.credentials.endpoint, "u", "pa55word", "tenants")


def _envelope(reply: dict[str, Any]) -> bytes:
    return json.dumps({"loginresponse": reply}).encode()


async def test_a_role_that_lacks_a_command_costs_one_login_at_most(bench: Bench) -> None:
    """Up to 4.13.0 the words are those for a dead session."""
    login = enter(bench.cloud)
    bench.cloud.answers["listZones"] = {}
    bench.cloud.answers["listHosts"] = refusal(401, "unable to verify user credentials", "listHosts")
    async with Client(login, journal=bench.journal, around=HandClock().surroundings()) as client:
        await client.call("listZones")
        for _ in range(3):
            with pytest.raises(Unauthorized):
                await client.call("listHosts")
        await client.call("listZones")
    assert len(bench.cloud.calls("login")) == 2
    assert bench.cloud.calls("login")[0].params["domain"] == "/tenants"
    assert len(bench.cloud.calls("logout")) == 1


async def test_a_factor_that_must_be_set_up_first(bench: Bench) -> None:
    login = enter(bench.cloud, is2faenabled="true", is2faverified="false")
    async with Client(login, journal=bench.journal, around=HandClock().surroundings()) as client:
        with pytest.raises(TwoFactor, match="must set up a second factor"):
            await client.call("listZones")


@pytest.mark.parametrize("reply", [{"sessionkey": ""}, {"sessionkey": None}])
async def test_a_login_without_a_session_key(bench: Bench, reply: dict[str, Any]) -> None:
    login = enter(bench.cloud, **reply)
    async with Client(login, journal=bench.journal, around=HandClock().surroundings()) as client:
        with pytest.raises(BadReply, match="brings no session"):
            await client.call("listZones")


async def test_what_a_server_echoes_is_masked(bench: Bench) -> None:
    login = enter(bench.cloud)
    bench.cloud.answers["listZones"] = refusal(530, "you said pa55word, c00kie and s3ss", "listZones")
    async with Client(login, journal=bench.journal, around=HandClock().surroundings()) as client:
        with pytest.raises(CloudStackError) as caught:
            await client.call("listZones")
    for text in (str(caught.value), repr(caught.value), repr(bench.journal.bodies)):
        for secret in ("pa55word", "c00kie", "s3ss"):
            assert secret not in text
