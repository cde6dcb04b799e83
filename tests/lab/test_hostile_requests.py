# SPDX-License-Identifier: Apache-2.0
"""Requests that no client sends: each gets an envelope or a proper HTTP error, and the server serves on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csworkbench.lab.api.registry import COMMANDS
from csworkbench.lab.api.server import PATH
from tests.lab.served import Served, served

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def api() -> AsyncIterator[Served]:
    async with served("4.22") as running:
        yield running


def check_reply(raw: bytes) -> int:
    """The status; AssertionError unless it is HTTP with an envelope, or an error of the HTTP layer."""
    head, _, body = raw.partition(b"\r\n\r\n")
    line, _, rest = head.partition(b"\r\n")
    assert line.startswith(b"HTTP/1."), raw[:200]
    status = int(line.split()[1])
    assert status != 500, raw[:2000]
    assert b"Traceback" not in raw
    assert b'File "' not in raw
    headers = rest.lower()
    if b"application/json" in headers:
        (content,) = json.loads(body).values()
        assert status == 200 or content["errorcode"] == status
    elif b"text/xml" in headers:
        root = ElementTree.fromstring(body)
        assert status == 200 or root.findtext("errorcode") == str(status)
    else:
        assert 400 <= status < 500 or status == 417, raw[:200]
    return status


async def send(api: Served, raw: bytes) -> int:
    """These bytes on a connection of their own, to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.http.port or 0)
    try:
        writer.write(raw)
        async with asyncio.timeout(20):
            return check_reply(await reader.read())
    finally:
        writer.close()


def request(method: str, target: str, body: bytes = b"", kind: str = FORM) -> bytes:
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body


async def still_serves(api: Served) -> None:
    status, content = await api.call("listZones")
    assert (status, content["count"]) == (200, 2)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        pytest.param(request("HEAD", PATH), 405, id="HEAD"),
        pytest.param(request("PUT", PATH, b"command=listZones"), 405, id="PUT"),
        pytest.param(request("OPTIONS", PATH), 405, id="OPTIONS"),
        pytest.param(request("DELETE", PATH), 405, id="DELETE"),
        pytest.param(request("GET", "/"), 404, id="wrong path"),
        pytest.param(request("GET", f"{PATH}/"), 404, id="path with a slash"),
        pytest.param(request("GET", "/client/../client/api"), 404, id="path with dots"),
        pytest.param(request("GET", PATH), 401, id="nothing"),
        pytest.param(request("POST", PATH, b'{"command": "listZones"}', "application/json"), 401, id="JSON body"),
        pytest.param(request("POST", PATH, b"\xff\xfe\x00", "text/plain; charset=utf-16"), 401, id="text body"),
        pytest.param(request("POST", PATH, b"command=listZones", "nonsense"), 401, id="bad content type"),
        pytest.param(request("POST", PATH, b"--x\r\n\r\n", "multipart/form-data; boundary=x"), 401, id="multipart"),
        pytest.param(request("POST", PATH, b"\xff\xfe\x80=\x00\xc3&=&&&=%zz&%"), 401, id="body that is not UTF-8"),
        pytest.param(request("POST", PATH, b"a=" + b"x" * (1 << 21)), 413, id="2 MiB"),
        pytest.param(request("POST", PATH, b"&".join(b"p%d=1" % i for i in range(10_000))), 400, id="10,000 in a body"),
        pytest.param(request("GET", f"{PATH}?{'&'.join(f'{i}=' for i in range(1400))}"), 400, id="1,400 in a query"),
        pytest.param(request("GET", f"{PATH}?{'a' * 100_000}"), 400, id="long query"),
        pytest.param(request("GET", f"{PATH}?command=%00%01%0b&response=xml"), 401, id="control characters"),
        pytest.param(request("GET", f"{PATH}?command=\xff\xe9&response=json"), 400, id="raw bytes in the query"),
        pytest.param(request("GET", f"{PATH}?command=%ed%a0%80&response=json"), 401, id="surrogate"),
        pytest.param(request("GET", f"{PATH}?apikey=\xfc&signature=\xfc&command=listZones"), 400, id="raw signature"),
        pytest.param(b"GET / HTTP/9.9\r\n\r\n", 400, id="HTTP version"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40) + b"\r\n\r\n", 400, id="TLS"),
        pytest.param(b"nonsense\r\n\r\n", 400, id="no HTTP"),
    ],
)
async def test_requests_of_no_client(api: Served, raw: bytes, status: int) -> None:
    assert await send(api, raw) == status
    await still_serves(api)


async def test_signed_nonsense_is_an_error_of_the_parameter(api: Served) -> None:
    network = api.server.network.id
    for name, value, status in [
        ("id", "9" * 50_000, 431),
        ("id", "\x00", 431),
        ("id", "'; drop table network; --", 431),
        ("id[0]", network, 431),
        ("id[", network, 430),
        ("id[a].b", network, 430),
        ("id[0].a[1]", network, 430),
        ("cleanup", "ü\U0001f4a5" * 500, 200),
    ]:
        given = {"id": network, name: value} if name == "cleanup" else {name: value}
        code, content = await api.call("restartNetwork", **given)
        assert (code, content.get("errorcode", 200)) == (status, status), (name, value[:20], content)
    await still_serves(api)


async def test_a_repeated_name_is_the_first_of_the_body_and_the_last_of_the_query(api: Served) -> None:
    given = api.signed("listZones")
    signed = urlencode(given)
    assert await send(api, request("POST", PATH, f"{signed}&command=listHosts".encode())) == 200
    assert await send(api, request("POST", PATH, f"command=listHosts&{signed}".encode())) == 401
    assert await send(api, request("GET", f"{PATH}?command=listHosts&{signed}")) == 200


TEXT = st.text(max_size=60)
PARAMETERS = [sorted({param.name for entry in COMMANDS.values() for param in entry.params}), ["page", "tags[0].key"]]
NAMES = st.sampled_from(PARAMETERS[0] + PARAMETERS[1]) | st.text(min_size=1, max_size=20)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    command=st.sampled_from(sorted(COMMANDS)) | TEXT,
    more=st.dictionaries(NAMES, TEXT, max_size=6),
    form=st.sampled_from(["json", "xml", ""]),
    by_get=st.booleans(),
)
def test_any_signed_call(command: str, more: dict[str, str], form: str, by_get: bool) -> None:
    async def run() -> None:
        async with served("4.22") as api:
            if command == "restartNetwork" or "command" in {name.lower() for name in more}:
                more.clear()
            sent = {**api.signed(command, **more, response=form)}
            query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sent.items())
            target = f"{PATH}?{query}" if by_get else PATH
            await send(api, request("GET" if by_get else "POST", target, b"" if by_get else query.encode()))
            await still_serves(api)

    asyncio.run(run())
