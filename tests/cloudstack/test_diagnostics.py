# SPDX-License-Identifier: Apache-2.0
"""runDiagnostics and getDiagnosticsData: checked questions, typed answers, hostile servers, private files."""

import asyncio
import hashlib
import ssl
import stat
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.cloudstack import CloudStackError
from csworkbench.cloudstack.diagnostics import (
    OUTPUT_CHARS,
    Answer,
    DiagnosticsTarget,
    find_target,
    question,
    read_answer,
    run_diagnostics,
)
from csworkbench.cloudstack.diagnostics_data import collect_data
from csworkbench.cloudstack.download import Download
from csworkbench.cloudstack.errors import BadParameter, BadReply, BadTarget, Unreachable, Unsupported
from csworkbench.lab.tls import Authority
from csworkbench.probing.connect import dial_tcp

from .support import Bench, api, refusal

ROUTER = {"id": "r-id", "name": "r-4-VM", "state": "Running"}
TARGET = DiagnosticsTarget("r-id", "r-4-VM", "router", "Running")
ZIP = b"PK\x03\x04" + b"x" * 200_000


def offer(bench: Bench, version: str = "4.22.0.0", *commands: str) -> None:
    named = commands or ("runDiagnostics", "getDiagnosticsData", "listRouters", "listSystemVms")
    bench.cloud.answers["listApis"] = {"api": [api(name) for name in named]}
    bench.cloud.answers["listCapabilities"] = {"capability": {"cloudstackversion": version}}


def job_ends(bench: Bench, command: str, result: Any, status: int = 1) -> None:
    bench.cloud.answers[command] = {"jobid": "j"}
    bench.cloud.answers["queryAsyncJobResult"] = {"jobstatus": status, "jobresult": result}


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (("ping", "192.0.2.1"), "ping -c 4 192.0.2.1"),
        (("PING", "2001:DB8::1"), "ping6 -c 4 2001:db8::1"),
        (("traceroute", "2001:db8::1"), "traceroute6 -m 20 2001:db8::1"),
        (("arping", "10.1.1.5"), "arping -c 4 10.1.1.5"),
        (("ping6", "host.example"), "ping6 -c 4 host.example"),
    ],
)
def test_questions_take_the_form_of_their_address(asked: tuple[str, str], shown: str) -> None:
    assert question(*asked).words == shown


def test_options_of_a_question() -> None:
    assert question("arping", "10.1.1.5", count=2, interface="eth2").params == "-c 2 -I eth2"
    assert question("traceroute", "10.1.1.5", count=3, interface="eth2").params == "-m 3 -i eth2"


@pytest.mark.parametrize(
    ("kind", "address", "options"),
    [
        ("tcpdump", "10.0.0.1", {}),
        ("ping", "10.0.0.1; reboot", {}),
        ("ping", "-f", {}),
        ("ping", "", {}),
        ("ping", "a b", {}),
        ("arping", "2001:db8::1", {}),
        ("ping6", "10.0.0.1", {}),
        ("ping", "10.0.0.1", {"count": 0}),
        ("ping", "10.0.0.1", {"count": 61}),
        ("ping", "10.0.0.1", {"interface": "-f"}),
        ("ping", "10.0.0.1", {"interface": "eth0 -f"}),
    ],
)
def test_what_is_no_question_is_refused_in_one_line(kind: str, address: str, options: dict[str, Any]) -> None:
    with pytest.raises(BadParameter) as refused:
        question(kind, address, **options)
    assert "\n" not in str(refused.value)


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=30))
def test_no_question_carries_more_than_one_word_for_each_part(kind: str, address: str, interface: str) -> None:
    try:
        asked = question(kind, address, interface=interface)
    except BadParameter:
        return
    assert len(asked.address.split()) == 1
    assert not asked.address.startswith("-")
    assert set(asked.params) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. ")


async def test_an_answer_is_typed(bench: Bench) -> None:
    offer(bench)
    job_ends(bench, "runDiagnostics", {"diagnostics": {"stdout": "4 packets\n0% loss", "stderr": "", "exitcode": "0"}})
    found = await run_diagnostics(bench.client, bench.journal, "r-id", question("ping", "192.0.2.1"))
    assert found == Answer("4 packets\n0% loss", "", 0)
    (asked,) = bench.cloud.calls("runDiagnostics")
    assert asked.method == "POST"
    assert {name: asked.params[name] for name in ("targetid", "ipaddress", "type", "params")} == {
        "targetid": "r-id", "ipaddress": "192.0.2.1", "type": "ping", "params": "-c 4",
    }  # fmt: skip


@given(st.text(), st.text(), st.one_of(st.none(), st.text(max_size=20), st.integers()))
def test_hostile_output_cannot_steer_a_terminal(out: str, err: str, code: Any) -> None:
    answer = read_answer({"stdout": out, "stderr": err, "exitcode": code})
    kinds = {unicodedata.category(char) for char in answer.stdout + answer.stderr if char != "\n"}
    assert kinds.isdisjoint({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def test_long_and_broken_output() -> None:
    answer = read_answer({"stdout": "x" * (OUTPUT_CHARS + 1), "stderr": ["no", "text"], "exitcode": "9" * 40})
    assert (len(answer.stdout), answer.cut, answer.exit_code) == (OUTPUT_CHARS, True, None)
    assert read_answer({}) == Answer("", "", None)
    assert read_answer({"stdout": "a\x1b[31m\r\n\tb", "exitcode": "-1"}) == Answer("a\ufffd[31m\n        b", "", -1)


@pytest.mark.parametrize("result", [{"success": True}, {"diagnostics": "text"}, None])
async def test_a_job_without_diagnostics_is_a_bad_reply(bench: Bench, result: Any) -> None:
    offer(bench)
    job_ends(bench, "runDiagnostics", result)
    with pytest.raises(BadReply, match="holds no diagnostics"):
        await run_diagnostics(bench.client, bench.journal, "r-id", question("ping", "192.0.2.1"))


async def test_a_failed_job_says_why(bench: Bench) -> None:
    offer(bench)
    job_ends(bench, "runDiagnostics", {"errorcode": 431, "errortext": "not running on a host"}, status=2)
    with pytest.raises(CloudStackError, match="not running on a host"):
        await run_diagnostics(bench.client, bench.journal, "r-id", question("ping", "192.0.2.1"))


async def test_a_job_that_does_not_end_is_given_up(bench: Bench) -> None:
    offer(bench)
    bench.cloud.answers |= {"runDiagnostics": {"jobid": "j"}, "queryAsyncJobResult": {"jobstatus": 0}}
    with pytest.raises(CloudStackError, match="no result within"):
        await run_diagnostics(bench.client, bench.journal, "r-id", question("ping", "192.0.2.1"), limit_s=0.3)


@pytest.mark.parametrize(
    ("version", "commands", "asked", "said"),
    [
        ("4.11.1.0", ("listRouters",), "ping", "has no runDiagnostics: it came with 4.12"),
        ("4.22.0.0", ("listRouters",), "ping", "only a root admin may"),
        ("", ("listRouters",), "ping", "only a root admin may"),
        ("4.15.2.0", ("runDiagnostics",), "ping6", "has no ping6: it came with 4.17"),
    ],
)
async def test_what_is_not_offered_is_said_and_not_sent(
    bench: Bench, version: str, commands: tuple[str, ...], asked: str, said: str
) -> None:
    offer(bench, version, *commands)
    with pytest.raises(Unsupported, match=said):
        await run_diagnostics(bench.client, bench.journal, "r-id", question(asked, "2001:db8::1"))
    assert bench.cloud.calls("runDiagnostics") == []


async def test_a_target_by_name_or_id(bench: Bench) -> None:
    offer(bench)
    bench.cloud.answers |= {
        "listRouters": {"count": 1, "router": [ROUTER]},
        "listSystemVms": {"count": 1, "systemvm": [{"id": "s-id", "name": "s-1-VM", "state": "Running"}]},
    }
    assert await find_target(bench.client, "r-4-VM") == TARGET
    assert await find_target(bench.client, "s-id") == DiagnosticsTarget("s-id", "s-1-VM", "system VM", "Running")
    with pytest.raises(BadTarget, match="There are r-4-VM, s-1-VM"):
        await find_target(bench.client, "r-5-VM")


async def test_who_sees_no_routers_is_told_so(bench: Bench) -> None:
    offer(bench, "4.22.0.0", "listNetworks")
    with pytest.raises(Unsupported, match="sees no routers"):
        await find_target(bench.client, "r-4-VM")


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def storage(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server of files of our own; its address."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/userdata/x.zip"
    finally:
        server.close()


def sends(head: str, body: bytes = b"", *, hold: bool = False) -> Serve:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head.replace("\n", "\r\n").encode() + body)
        await writer.drain()
        if hold:
            await asyncio.Event().wait()

    return serve


def whole(body: bytes) -> Serve:
    return sends(f"HTTP/1.1 200 OK\nContent-Length: {len(body)}\n\n", body)


def left(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - another thread makes it so
            await asyncio.sleep(0.01)


async def collected(bench: Bench, url: str, folder: Path, **options: Any) -> Download:
    offer(bench)
    job_ends(bench, "getDiagnosticsData", {"diagnostics": {"url": url}})
    return await collect_data(bench.client, bench.journal, TARGET, folder, connect=dial_tcp, **options)


async def test_the_archive_arrives_whole_and_private(bench: Bench, tmp_path: Path) -> None:
    async with storage(whole(ZIP)) as url:
        found = await collected(bench, url, tmp_path, files=("/var/log/cloud.log", "[IPTABLES]"))
    assert found == Download(tmp_path / "r-4-VM-diagnostics.zip", len(ZIP), hashlib.sha256(ZIP).hexdigest(), "zip")
    assert found.path.read_bytes() == ZIP
    assert stat.S_IMODE(found.path.stat().st_mode) == 0o600
    assert left(tmp_path) == [found.path]
    assert bench.cloud.calls("getDiagnosticsData")[0].params["files"] == "/var/log/cloud.log,[IPTABLES]"


@pytest.mark.parametrize(
    ("serve", "said"),
    [
        (sends("HTTP/1.1 404 Not Found\nContent-Length: 0\n\n"), "answered 404"),
        (sends("HTTP/1.1 302 Found\nLocation: http://127.0.0.1/\nContent-Length: 0\n\n"), "answered 302"),
        (sends("HTTP/1.1 200 OK\nContent-Length: 9999999999\n\n"), "the limit is"),
        (sends("HTTP/1.1 200 OK\n\n", b"x" * 400_000), "the limit is"),
        (sends("HTTP/1.1 200 OK\nContent-Length: 50\n\n", b"short"), "5 of 50 bytes|broke off"),
        (sends("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nzz\n"), "broke off"),
        (sends("\x00\x00\x00"), "broke off"),
        (sends("HTTP/1.1 200 OK\n" + "X: y\n" * 500 + "\n"), "broke off"),
    ],
)
async def test_hostile_downloads_leave_nothing_behind(bench: Bench, tmp_path: Path, serve: Serve, said: str) -> None:
    async with storage(serve) as url:
        with pytest.raises(CloudStackError, match=said):
            await collected(bench, url, tmp_path, most_bytes=300_000)
    assert left(tmp_path) == []


async def test_a_cancelled_download_ends_at_once_and_leaves_nothing(bench: Bench, tmp_path: Path) -> None:
    async with storage(sends("HTTP/1.1 200 OK\nContent-Length: 100\n\n", b"x", hold=True)) as url:
        fetching = asyncio.create_task(collected(bench, url, tmp_path))
        await until(lambda: left(tmp_path))
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(fetching, 8)
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "https://u:p@127.0.0.1/x", "ftp://127.0.0.1/x", "http://127.0.0.1/a b", "http://", "x"],
)
async def test_addresses_that_are_none(bench: Bench, tmp_path: Path, url: str) -> None:
    with pytest.raises(BadReply, match="is no http"):
        await collected(bench, url, tmp_path)


async def test_storage_that_is_not_reached_is_named(bench: Bench, tmp_path: Path) -> None:
    async with storage(whole(ZIP)) as url:
        pass
    with pytest.raises(Unreachable, match="secondary storage VM"):
        await collected(bench, url, tmp_path)


async def test_a_private_ca_counts_for_the_download_too(bench: Bench, tmp_path: Path) -> None:
    authority = Authority.of(tmp_path)
    server, client = authority.server_context(), ssl.create_default_context(cafile=str(authority.ca_file))
    folder = tmp_path / "run"
    folder.mkdir()
    async with storage(whole(ZIP), server) as url:
        with pytest.raises(BadReply, match="is not trusted"):
            await collected(bench, url, folder)
        assert left(folder) == []
        assert (await collected(bench, url, folder, verify=client)).size == len(ZIP)
        assert (await collected(bench, url, folder, verify=False)).size == len(ZIP)


@pytest.mark.parametrize("name", ["relative", "/var/../etc/passwd", "/var/log/a b", "[a;b]", "/x,/y", ""])
async def test_files_that_are_none_are_not_asked_for(bench: Bench, tmp_path: Path, name: str) -> None:
    with pytest.raises(BadParameter):
        await collected(bench, "http://127.0.0.1/", tmp_path, files=(name,))
    assert bench.cloud.asked == []


async def test_a_role_without_the_command_is_told(bench: Bench, tmp_path: Path) -> None:
    bench.cloud.answers["getDiagnosticsData"] = refusal(401, "no")
    offer(bench, "4.13.1.0", "runDiagnostics", "listRouters")
    with pytest.raises(Unsupported, match=r"has no getDiagnosticsData: it came with 4\.14"):
        await collect_data(bench.client, bench.journal, TARGET, tmp_path, connect=dial_tcp)
