# SPDX-License-Identifier: Apache-2.0
"""Who may call: login sessions, the second factor, roles, the rate limit, enforced POST and timestamps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import ClientError

from csworkbench.lab.sessions import SESSION_S, Accounts, RateLimit, Sessions
from tests.lab.served import Served, served


async def session_call(
    api: Served, command: str, cookies: dict[str, str], *, key: str | None = None
) -> tuple[int, dict[str, object]]:
    """A call in a session: no signature, the session's key as a parameter too."""
    given = {"command": command, "response": "json", "sessionkey": cookies["sessionkey"] if key is None else key}
    reply = await api.post(given, cookies)
    (content,) = (await reply.json()).values()
    return reply.status, content


async def test_a_login_opens_a_session_that_logout_ends() -> None:
    async with served("4.22") as api:
        status, content, cookies = await api.log_in("admin")
        assert status == 200
        assert content["sessionkey"] == cookies["sessionkey"]
        assert (content["account"], content["type"], content["timeout"]) == ("admin", "1", 1800)
        assert {"is2faenabled", "managementserverid"} <= set(content)
        assert (await session_call(api, "listZones", cookies))[0] == 200
        reply = await api.get({"command": "logout", "response": "json"}, cookies)
        assert await reply.json() == {"logoutresponse": {"description": "success"}}
        assert (await session_call(api, "listZones", cookies))[0] == 401


async def test_a_wrong_session_key_ends_the_session() -> None:
    async with served("4.22") as api:
        _, _, cookies = await api.log_in("admin")
        assert (await session_call(api, "listZones", cookies, key="guessed"))[0] == 401
        assert (await session_call(api, "listZones", cookies))[0] == 401


async def test_a_restart_of_the_server_ends_all_sessions() -> None:
    async with served("4.22") as api:
        _, _, cookies = await api.log_in("admin")
        api.server.restart()
        assert (await session_call(api, "listZones", cookies))[0] == 401


@pytest.mark.parametrize(("user", "password"), [("admin", "wrong"), ("nobody", "x"), ("admin", "")])
async def test_a_failed_login_is_531_or_431(user: str, password: str) -> None:
    async with served("4.22") as api:
        status, content, cookies = await api.log_in(user, password)
        assert status == (531 if password else 431)
        assert content["errorcode"] == status
        assert cookies == {}


async def test_a_login_by_get_is_405() -> None:
    async with served("4.22") as api:
        reply = await api.get({"command": "login", "response": "json", "username": "admin", "password": "x"})
        assert reply.status == 405
        assert (await reply.json())["loginresponse"]["errorcode"] == 405


async def test_the_second_factor_is_asked_once_per_session() -> None:
    async with served("4.22") as api:
        await api.set(mandate_user_2fa="true")
        _, content, cookies = await api.log_in("admin")
        assert content["is2faenabled"] == "true"
        assert (await session_call(api, "listApis", cookies))[0] == 200
        assert (await session_call(api, "listZones", cookies))[0] == 511
        assert (await session_call(api, "listApis", cookies))[0] == 401  # that killed the session
        _, _, cookies = await api.log_in("admin")
        given = {
            "command": "validateUserTwoFactorAuthenticationCode",
            "response": "json",
            "sessionkey": cookies["sessionkey"],
        }
        assert (await api.post({**given, "codefor2fa": ""}, cookies)).status == 531
        assert (await api.post({**given, "codefor2fa": "no"}, cookies)).status == 511
        assert (await session_call(api, "listApis", cookies))[0] == 401  # a wrong code ends the session too
        _, _, cookies = await api.log_in("admin")
        given["sessionkey"] = cookies["sessionkey"]
        pin = api.server.accounts.listing()["admin"]["pin"]
        assert (await api.post({**given, "codefor2fa": pin}, cookies)).status == 200
        assert (await session_call(api, "listZones", cookies))[0] == 200
        assert (await api.call("listZones"))[0] == 200  # a signature needs none


async def test_a_user_sets_up_a_second_factor() -> None:
    async with served("4.22") as api:
        _, before, cookies = await api.log_in("ops")
        assert (before["is2faenabled"], before["is2faverified"]) == ("false", "true")
        status, reply = await session_call(api, "setupUserTwoFactorAuthentication", cookies)
        pin = api.server.accounts.listing()["ops"]["pin"]
        assert (status, reply["setup2fa"]["secretcode"]) == (200, pin)  # type: ignore[index]
        given = {"command": "validateUserTwoFactorAuthenticationCode", "response": "json"}
        given["sessionkey"] = cookies["sessionkey"]
        assert (await api.post({**given, "codefor2fa": "no"}, cookies)).status == 511
        assert (await api.post({**given, "codefor2fa": pin}, cookies)).status == 200  # still the same session
        assert (await session_call(api, "listZones", cookies))[0] == 200
        _, again, cookies = await api.log_in("ops")
        assert (again["is2faenabled"], again["is2faverified"], again["providerfor2fa"]) == (
            "true",
            "false",
            "staticpin",
        )
        assert (await session_call(api, "listZones", cookies))[0] == 511
        _, other, _ = await api.log_in("dom", domain="tenants")
        assert other["is2faenabled"] == "false"


@pytest.mark.parametrize(("release", "status"), [("4.9", 432), ("4.11.1", 401), ("4.22", 401)])
async def test_a_user_has_no_admin_commands_and_sees_the_own_network(release: str, status: int) -> None:
    async with served(release) as api:
        api.as_user()
        assert (await api.call("listRouters", listall="true"))[0] == status
        assert (await api.call("listNetworks"))[1]["count"] == 1
        names = {item["name"] for item in (await api.call("listApis"))[1]["api"]}
        assert "restartNetwork" in names
        assert "rebootRouter" not in names
        assert (await api.call("listAsyncJobs", listall="true"))[0] == 200


async def test_a_user_reads_no_details_of_internal_errors() -> None:
    async with served("4.22") as api:
        _, admin = await api.call("listApis", name="nothing")
        api.as_user()
        status, user = await api.call("listApis", name="nothing")
        assert status == 530
        assert admin["errortext"] != user["errortext"]


async def test_the_rate_limit_counts_users_and_spares_root_admins() -> None:
    async with served("4.22") as api:
        await api.set(api_throttling_enabled="true", api_throttling_max="3", api_throttling_interval="60")
        assert (await api.call("listCapabilities"))[1]["capability"]["apilimitmax"] == 3
        for _ in range(5):
            assert (await api.call("listZones"))[0] == 200
        api.as_user()
        assert [(await api.call("listZones"))[0] for _ in range(4)] == [200, 200, 200, 429]
        _, content = await api.call("listZones")
        assert content["cserrorcode"] == 4545
        assert "please retry after" in content["errortext"]


async def test_without_throttling_there_are_no_limits_in_the_capabilities() -> None:
    async with served("4.22") as api:
        assert "apilimitmax" not in (await api.call("listCapabilities"))[1]["capability"]


def in_minutes(minutes: int) -> dict[str, str]:
    until = datetime.now(UTC) + timedelta(minutes=minutes)
    return {"signatureversion": "3", "expires": until.strftime("%Y-%m-%dT%H:%M:%S+0000")}


async def test_enforced_post_and_timestamps() -> None:
    async with served("4.22") as api:
        setting = "enforce.post.requests.and.timestamps"
        network = api.server.network.id
        await api.set(enforce_post_requests_and_timestamps="true")
        good = in_minutes(5)
        assert (await api.get(api.signed("restartNetwork", id=network, **good))).status == 400
        assert (await api.post(api.signed("restartNetwork", id=network, **good))).status == 200
        assert (await api.get(api.signed("listZones", **good))).status == 200
        assert (await api.get(api.signed("queryAsyncJobResult", jobid=network, **good))).status == 431
        assert (await api.call("listZones"))[0] == 401  # no expiry
        assert (await api.call("listZones", **in_minutes(20)))[0] == 401  # too far ahead
        assert (await api.call("listZones", expires=good["expires"]))[0] == 401  # version 3 is missing
        own = api.signed("updateConfiguration", name=setting, value="false", **good)
        assert (await api.get(own)).status == 200
        assert (await api.call("listZones"))[0] == 401  # read at the next start only
        api.server.restart()
        assert (await api.call("listZones"))[0] == 200


async def test_api_keys_can_be_switched_off_while_sessions_go_on() -> None:
    async with served("4.22") as api:
        _, _, cookies = await api.log_in("admin")
        await api.call("updateConfiguration", name="api.key.access", value="false")
        assert (await api.call("listZones"))[0] == 401
        assert (await session_call(api, "listZones", cookies))[0] == 200


@pytest.mark.parametrize(
    ("release", "setting", "accepted"),
    [
        ("4.17", None, (False, True, True)),
        ("4.22", None, (False, False, True)),
        ("4.22", "ParameterOnly", (False, True, True)),
        ("4.22", "CookieOrParameter", (True, True, True)),
    ],
)
async def test_where_the_session_key_has_to_come(
    release: str, setting: str | None, accepted: tuple[bool, bool, bool]
) -> None:
    async with served(release) as api:
        if setting is not None:
            await api.set(api_sessionkey_check_locations=setting)
        found = []
        for as_cookie, as_parameter in ((True, False), (False, True), (True, True)):
            _, _, cookies = await api.log_in("admin")
            key = cookies["sessionkey"]
            sent = {"JSESSIONID": cookies["JSESSIONID"]} | ({"sessionkey": key} if as_cookie else {})
            given = {"command": "listZones", "response": "json"} | ({"sessionkey": key} if as_parameter else {})
            found.append((await api.post(given, sent)).status == 200)
        assert tuple(found) == accepted


async def test_only_allowed_sources_may_call() -> None:
    async with served("4.22") as api:
        await api.call("updateConfiguration", name="api.allowed.source.cidr.list", value="10.0.0.0/8, nonsense")
        assert (await api.call("listZones"))[0] == 401
        api.server.settings.change("api.allowed.source.cidr.list", "10.0.0.0/8,127.0.0.0/8")
        assert (await api.call("listZones"))[0] == 200


async def test_a_users_job_is_the_users() -> None:
    async with served("4.22") as api:
        await api.call("restartNetwork", id=api.server.network.id)
        api.as_user()
        await api.call("restartNetwork", id=api.server.network.id)
        (job,) = (await api.call("listAsyncJobs"))[1]["asyncjobs"]
        assert job["account"] == "ops"
        assert (await api.call("listEvents", type="NETWORK.RESTART"))[1]["event"][0]["username"] == "ops"


async def test_a_server_that_is_down_closes_connections() -> None:
    async with served("4.22") as api:
        api.server.away = True
        with pytest.raises(ClientError):
            await api.call("listZones")
        api.server.away = False
        assert (await api.call("listZones"))[0] == 200


def test_a_session_ends_after_its_time_and_old_ones_make_room() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    caller = Accounts("k", "s", "root", (("1", "2"), ("3", "4"))).by_key("k")
    assert caller is not None
    first, _ = sessions.open(caller, second_factor=False)
    now[0] = SESSION_S
    assert sessions.find(first)
    now[0] = 2 * SESSION_S + 1
    assert sessions.find(first) is None
    oldest, _ = sessions.open(caller, second_factor=False)
    for _ in range(1000):
        sessions.open(caller, second_factor=False)
    assert sessions.find(oldest) is None


def test_a_rate_window_begins_anew() -> None:
    now = [0.0]
    limit = RateLimit(lambda: now[0])
    assert [limit.wait_ms("a", 1, 2) for _ in range(3)] == [0, 0, 1000]
    now[0] = 0.75
    assert limit.wait_ms("a", 1, 2) == 250
    assert limit.wait_ms("b", 1, 2) == 0
    now[0] = 1.0
    assert limit.wait_ms("a", 1, 2) == 0
