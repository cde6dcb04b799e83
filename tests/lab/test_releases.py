# SPDX-License-Identifier: Apache-2.0
"""What every release has in common at the API's edge, and the table of what differs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

from csworkbench.lab.api.signature import sign
from csworkbench.lab.health import CheckResult
from csworkbench.lab.hosts import LabError
from csworkbench.lab.manage import manage
from csworkbench.lab.profiles import PROFILES
from csworkbench.lab.settings import CATALOGUE, Settings
from tests.lab.fake_management import KEY, SECRET, management
from tests.lab.served import Served, served

RELEASES = ["4.9", "4.11.1", "4.17", "4.22"]
every_release = pytest.mark.parametrize("release", RELEASES)
_PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "date": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "short": int,
    "list": list,
    "set": list,
    "responseobject": dict,
}


async def cleanup_default(api: Served) -> object:
    _, reply = await api.call("restartNetwork", id=api.server.network.id)
    await api.settled(reply)
    return api.orchestrator.asked[0]


async def unknown_command(api: Served) -> object:
    return (await api.call("listNothing"))[0]


async def role_denial(api: Served) -> object:
    api.as_user()
    return (await api.call("listHosts"))[0]


async def checksum_length(api: Served) -> object:
    return len((await api.call("listRouters", listall="true"))[1]["router"][0]["scriptsversion"])


async def completed(api: Served) -> object:
    _, reply = await api.call("rebootRouter", id=api.server.routers[0].id)
    return "completed" in await api.settled(reply)


async def accepted_expiries(api: Served) -> object:
    later = datetime.now(UTC) + timedelta(minutes=5)
    forms = [later.strftime(form) for form in ("%Y-%m-%dT%H:%M:%S+0000", "%Y-%m-%dT%H:%M:%SZ")]
    forms.append(later.isoformat())
    return [(await api.call("listZones", signatureversion="3", expires=text))[0] for text in forms]


async def forced_reboot(api: Served) -> object:
    _, reply = await api.call("rebootRouter", id=api.server.routers[0].id, forced="true")
    await api.settled(reply)
    return api.orchestrator.asked[0]


async def commands(api: Served) -> object:
    names = {item["name"] for item in (await api.call("listApis"))[1]["api"]}
    asked = ("runDiagnostics", "getRouterHealthCheckResults", "resetConfiguration", "listManagementServers")
    return [name in names for name in asked]


async def manager_of_a_job(api: Served) -> object:
    await api.call("restartNetwork", id=api.server.network.id)
    return "managementserverid" in (await api.call("listAsyncJobs", listall="true"))[1]["asyncjobs"][0]


DIFFERENCES: list[tuple[Callable[[Served], Awaitable[object]], list[Any]]] = [
    (cleanup_default, ["restart cleanup=True", *["restart cleanup=False"] * 3]),
    (unknown_command, [432, 401, 401, 401]),
    (role_denial, [432, 401, 401, 401]),
    (checksum_length, [32, 32, 32, 128]),
    (completed, [False, False, True, True]),
    (accepted_expiries, [[200, 401, 401], [200, 401, 401], [200, 200, 200], [200, 200, 200]]),
    (forced_reboot, ["reboot r-4-VM", "reboot r-4-VM", "reboot r-4-VM forced", "reboot r-4-VM forced"]),
    (commands, [[False] * 4, [False] * 4, [True] * 4, [True] * 4]),
    (manager_of_a_job, [False, False, False, True]),
]
CASES = [
    pytest.param(release, ask, expected, id=f"{getattr(ask, '__name__', '')}-{release}")
    for ask, values in DIFFERENCES
    for release, expected in zip(RELEASES, values, strict=True)
]


@pytest.mark.parametrize(("release", "ask", "expected"), CASES)
async def test_the_releases_differ_as_documented(release: str, ask: Any, expected: object) -> None:
    async with served(release) as api:
        assert await ask(api) == expected


@every_release
async def test_paging_is_as_written_and_follows_its_setting(release: str) -> None:
    async with served(release) as api:
        await api.set(default_page_size="2")
        names = "listVirtualMachines", {"listall": "true"}
        _, silently_cut = await api.call(names[0], **names[1])
        assert (silently_cut["count"], len(silently_cut["virtualmachine"])) == (3, 2)
        status, refused = await api.call(names[0], **names[1], page="1", pagesize="3")
        assert (status, refused["errortext"]) == (431, "Page size can't exceed max allowed page size value: 2")
        _, second = await api.call(names[0], **names[1], page="2", pagesize="2")
        assert (second["count"], len(second["virtualmachine"])) == (3, 1)
        _, third = await api.call(names[0], **names[1], page="3", pagesize="2")
        assert third.get("virtualmachine", []) == []
        _, every = await api.call(names[0], **names[1], pagesize="-1")
        assert len(every["virtualmachine"]) == 3
        for wrong in ({"page": "1"}, {"pagesize": "2"}, {"page": "1", "pagesize": "-1"}):
            assert (await api.call(names[0], **names[1], **wrong))[0] == 431


def tree(element: ElementTree.Element) -> Any:
    """XML as JSON with every value a string; what occurs once cannot be told from a list of one."""
    if len(element) == 0:
        return element.text or ""
    found: dict[str, list[Any]] = {}
    for child in element:
        found.setdefault(child.tag, []).append(tree(child))
    return found


def flat(value: Any) -> Any:
    """JSON in the form of `tree`: empty lists and objects vanish."""
    if isinstance(value, dict):
        items = {
            key: [flat(item) for item in (part if isinstance(part, list) else [part])] for key, part in value.items()
        }
        return {key: part for key, part in items.items() if part} or ""
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize(
    ("command", "parameters"),
    [
        ("listRouters", {"listall": "true"}),
        ("listNetworks", {"listall": "true"}),
        ("listVirtualMachines", {"listall": "true"}),
        ("listVPCs", {"listall": "true"}),
        ("listCapabilities", {}),
        ("listApis", {"name": "restartNetwork"}),
        ("listNetworks", {"id": "<&'\">"}),
    ],
)
async def test_xml_has_the_tree_of_json(command: str, parameters: dict[str, str]) -> None:
    async with served("4.22") as api:
        given = {"command": command, "apikey": KEY, **parameters}
        reply = await api.post({**given, "signature": sign(given, SECRET)})
        assert reply.content_type == "text/xml"
        root = ElementTree.fromstring(await reply.text())
        assert root.attrib == {"cloud-stack-version": "4.22.0.0"}
        as_json = await (await api.post(api.signed(command, **parameters))).json()
        assert list(as_json) == [root.tag]
        assert tree(root) == flat(as_json[root.tag])


@every_release
async def test_list_apis_names_every_field_that_a_reply_has(release: str) -> None:
    async with served(release) as api:
        await api.call("restartNetwork", id=api.server.network.id)
        api.server.health._results[api.server.routers[0].id] = (
            1.0,
            [CheckResult("a", "basic", success=True, details="")],
        )
        api.orchestrator.routers.started_s[api.server.routers[0].id] = 0.0
        described = {item["name"]: item for item in (await api.call("listApis"))[1]["api"]}
        for name, item in described.items():
            assert item["response"], name
            if not name.startswith("list") or name == "listCapabilities":
                continue
            more = {"listall": "true", "templatefilter": "all", "fetchhealthcheckresults": "true"}
            if name == "listLoadBalancerRuleInstances":
                more["id"] = api.server.network.balancers[0].id
            status, content = await api.call(name, **more)
            assert status == 200, (name, content)
            lists: list[list[dict[str, Any]]] = [rows for key, rows in content.items() if key != "count"]
            for entry in itertools.chain.from_iterable(lists):
                _fits(name, entry, item["response"])


def _fits(what: str, entry: dict[str, Any], described: list[dict[str, Any]]) -> None:
    fields = {field["name"]: field for field in described}
    for key, value in entry.items():
        assert key in fields, (what, key)
        assert isinstance(value, _PYTHON_TYPES[fields[key]["type"]]), (what, key, value)
        if "response" in fields[key]:
            for nested in entry[key]:
                _fits(f"{what}.{key}", nested, fields[key]["response"])


async def test_settings_are_in_force_at_once_or_from_the_next_start() -> None:
    async with served("4.22") as api:
        status, reply = await api.call("updateConfiguration", name="network.rolling.restart", value="false")
        assert (status, reply["configuration"]["value"], reply["configuration"]["isdynamic"]) == (200, "false", True)
        assert api.server.settings.flag("network.rolling.restart") is False
        _, reply = await api.call("updateConfiguration", name="router.version.check", value="false")
        assert reply["configuration"]["isdynamic"] is False
        assert api.server.settings.flag("router.version.check") is True
        api.server.restart()
        assert api.server.settings.flag("router.version.check") is False
        _, reply = await api.call("resetConfiguration", name="network.rolling.restart")
        assert reply["configuration"]["value"] == reply["configuration"]["defaultvalue"] == "true"
        assert (await api.call("updateConfiguration", name="no.such.setting", value="1"))[0] == 431
        rows = (await api.call("listConfigurations", name="router."))[1]["configuration"]
        assert all("router." in item["name"] for item in rows)


@every_release
def test_no_setting_of_a_later_release_is_known(release: str) -> None:
    settings = Settings(PROFILES[release])
    known = {setting.name for setting in settings.known()}
    assert ("network.rolling.restart" in known) == PROFILES[release].has(4, 11, 2)
    assert ("enforce.post.requests.and.timestamps" in known) == PROFILES[release].has(4, 21)
    assert {name for name in CATALOGUE if re.match("router.health", name)} & known == (
        {name for name in CATALOGUE if re.match("router.health", name)} if PROFILES[release].has(4, 14) else set()
    )


async def test_requires_upgrade_is_about_the_template_and_from_4_17_about_the_code_too() -> None:
    server, _ = management("4.11.1")
    (router,) = server.routers
    assert not server.settings.requires_upgrade(router)
    await manage(server, {"action": "upgrade", "release": "4.17", "code_only": True})
    assert not server.settings.requires_upgrade(router)  # the template is the same: nobody asks for an upgrade
    assert not server.settings.refuses(router)
    await manage(server, {"action": "upgrade", "release": "4.22"})
    assert server.settings.requires_upgrade(router)
    assert server.settings.refuses(router)
    router.software_version = server.profile.code_version  # as after a live patch
    router.scripts_version = server.profile.scripts_checksum
    assert not server.settings.requires_upgrade(router)
    assert not server.settings.refuses(router)


@pytest.mark.parametrize(
    "message",
    [
        {"action": "upgrade", "release": "4.9"},
        {"action": "upgrade", "release": "5"},
        {"action": "restart", "away_s": -1},
        {"action": "explode"},
    ],
)
async def test_the_server_refuses_what_cannot_be_done_to_it(message: dict[str, Any]) -> None:
    server, _ = management("4.22")
    with pytest.raises(LabError):
        await manage(server, message)


async def test_maintenance_is_unknown_before_4_21() -> None:
    server, _ = management("4.17")
    with pytest.raises(LabError, match=r"4\.21"):
        await manage(server, {"action": "maintenance"})


async def test_a_lost_job_has_no_result_and_what_waited_never_begins() -> None:
    async with served("4.22") as api:
        network = api.server.network.id
        first, second = [(await api.call("restartNetwork", id=network))[1] for _ in range(2)]
        api.server.restart()
        for reply in (first, second):
            job = await api.settled(reply)
            assert (job["jobstatus"], job["jobresultcode"]) == (2, 530)
            assert not {"jobresult", "jobresulttype", "managementserverid"} & set(job)
        _, again = await api.call("restartNetwork", id=network)
        assert (await api.settled(again))["jobstatus"] == 1
        assert len(api.orchestrator.asked) == 2
