# SPDX-License-Identifier: Apache-2.0
"""Calls against a real HTTP server on the loopback."""

import asyncio
import datetime
import email.utils
import ipaddress
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from cs import CloudStack

from csworkbench.cloudstack import Client, CloudStackError, Credentials, Unauthorized, Unreachable
from csworkbench.cloudstack.errors import BadParameter, BadReply, Maintenance, NotByPost
from csworkbench.cloudstack.unreachable import unreachable
from csworkbench.model.event import ApiCalled, ServerClock

from .support import EPOCH_S, KEY, SECRET, Bench, HandClock, MemoryJournal, Raw, refusal


async def test_reads_go_by_get_and_changes_by_post_and_cs_agrees_with_the_signature(bench: Bench) -> None:
    bench.cloud.answers = {"listZones": {}, "restartNetwork": {"jobid": "j1"}}
    assert await bench.client.call("listZones", available=True, keyword="a+b *é", nothing=None) == {}
    assert await bench.client.call("restartNetwork", id="n1", Cleanup=False) == {"jobid": "j1"}
    read, change = bench.cloud.asked
    assert (read.method, read.in_body) == ("GET", False)
    assert (change.method, change.in_body) == ("POST", True)
    assert read.params["available"] == "true"
    assert read.params["keyword"] == "a+b *é"
    assert "nothing" not in read.params
    assert change.params["cleanup"] == "false"
    for asked in (read, change):
        unsigned = {k: v for k, v in asked.params.items() if k != "signature"}
        CloudStack("http://localhost", KEY, SECRET)._sign(unsigned)  # type: ignore[no-untyped-call]
        assert unsigned["signature"] == asked.params["signature"]
        assert asked.params["signatureversion"] == "3"


async def test_each_call_is_in_the_journal_without_secrets(bench: Bench) -> None:
    bench.cloud.answers = {
        "listThings": {"thing": [{"id": "1", "password": "hunter2", "text": "x" * 5_000}]},
        "resetThing": refusal(431, f"no such thing\n\x1b[2J {SECRET} {KEY}", "resetThing"),
    }
    await bench.client.call("listThings", id="1")
    with pytest.raises(BadParameter):
        await bench.client.call("resetThing", userdata="IyE=", id="\x1b]0;x")
    good, bad = bench.journal.of(ApiCalled)
    assert (good.command, good.method, good.status, good.error) == ("listThings", "GET", 200, "")
    assert 0 < good.started_ns < good.ended_ns
    assert len(good.reply) <= 2_000
    assert good.reply.startswith('{"listthingsresponse"')
    assert (bad.method, bad.status) == ("POST", 431)
    assert "no such thing" in bad.error
    assert bad.params["userdata"] == "***"
    assert set(bad.params) == {"id", "userdata", "signatureversion", "expires"}
    everything = repr(bench.journal.bodies)
    assert all(word not in everything for word in (KEY, SECRET, "hunter2", "IyE="))
    assert bench.cloud.asked[0].params["signature"] not in everything


async def test_a_read_is_repeated_on_503_and_a_change_never_is(bench: Bench) -> None:
    away = refusal(503, "in maintenance")
    bench.cloud.answers = {
        "listZones": [away, Raw(502, b"<html>"), {"zone": []}],
        "startRouter": [away, {"jobid": "j"}],
    }
    await bench.client.call("listZones")
    assert bench.clock.slept == [0.25, 0.5]
    with pytest.raises(Maintenance):
        await bench.client.call("startRouter", id="r")
    assert len(bench.cloud.calls("startRouter")) == 1
    assert [c.status for c in bench.journal.of(ApiCalled)] == [503, 502, 200, 503]


async def test_a_read_is_tried_three_times_and_not_at_all_for_other_errors(bench: Bench) -> None:
    bench.cloud.answers = {
        "listZones": refusal(503, "x"),
        "listHosts": refusal(431, "x"),
        "listVPCs": refusal(503, "x"),
    }
    for command, calls in [("listZones", 3), ("listHosts", 1)]:
        with pytest.raises(CloudStackError):
            await bench.client.call(command)
        assert len(bench.cloud.calls(command)) == calls
    with pytest.raises(Maintenance):
        await bench.client.exchange("listVPCs", {}, retry=False)
    assert len(bench.cloud.calls("listVPCs")) == 1


async def test_rate_limit_waits_as_long_as_the_server_says(bench: Bench) -> None:
    bench.cloud.answers = {"listZones": [refusal(429, "please wait 700 ms"), {}]}
    await bench.client.call("listZones")
    assert bench.clock.slept == [pytest.approx(0.77)]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (Raw(200, b""), "empty body"),
        (Raw(200, b"<html><title>Login</title>"), "not JSON"),
        (Raw(302, b"", {"Location": "https://other/x?signature=abc"}), "redirects to https://other/x."),
    ],
)
async def test_what_is_not_cloudstack(bench: Bench, raw: Raw, says: str) -> None:
    bench.cloud.answers = {"listZones": raw}
    with pytest.raises(BadReply) as caught:
        await bench.client.call("listZones")
    assert says in str(caught.value)
    assert bench.journal.of(ApiCalled)[0].status == raw.status


async def test_a_method_that_is_refused(bench: Bench) -> None:
    bench.cloud.answers = {"login": refusal(405, "use POST")}
    with pytest.raises(NotByPost):
        await bench.client.call("login")


async def test_a_reply_without_end_is_cut_off(bench: Bench) -> None:
    bench.cloud.answers = {"listZones": Raw(200, b" " * 300_000)}
    around = bench.clock.surroundings(reply_bytes=100_000)
    async with Client(bench.cloud.credentials, journal=bench.journal, around=around) as client:
        with pytest.raises(BadReply, match="longer than 100000"):
            await client.call("listZones")


async def test_wrong_secret_is_one_clear_line(bench: Bench) -> None:
    with pytest.raises(Unauthorized) as caught:
        await bench.client.call("listApis")
    assert str(caught.value) == (
        "listApis (401): unable to verify user credentials. "
        "Check API key and secret, this host's clock, and that the key's role may make this call."
    )


async def test_nobody_listens() -> None:
    clock, journal = HandClock(), MemoryJournal()
    credentials = Credentials(f"http://127.0.0.1:{unused_port()}/client/api", KEY, SECRET)
    async with Client(credentials, journal=journal, around=clock.surroundings()) as client:
        with pytest.raises(Unreachable, match="refused the connection") as caught:
            await client.call("listZones")
        assert not caught.value.maybe_sent
        assert len(journal.of(ApiCalled)) == 3
        with pytest.raises(Unreachable):
            await client.call("restartNetwork", id="n")
    assert len(journal.of(ApiCalled)) == 4
    assert {c.status for c in journal.of(ApiCalled)} == {0}


async def serve(handler: Any, context: ssl.SSLContext | None = None) -> TestServer:
    app = web.Application()
    app.router.add_route("*", "/client/api", handler)
    server = TestServer(app, scheme="https" if context else "http")
    await server.start_server(ssl=context)
    return server


async def test_a_server_that_is_silent_or_hangs_up() -> None:
    gone = asyncio.Event()

    async def silent(request: web.Request) -> web.Response:
        await gone.wait()
        return web.Response()

    async def hangs_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    for handler, says in [(silent, "did not answer in time"), (hangs_up, "closed the connection")]:
        server = await serve(handler)
        credentials = Credentials(str(server.make_url("/client/api")), KEY, SECRET)
        around = HandClock().surroundings(timeout_s=0.1)
        async with Client(credentials, journal=MemoryJournal(), around=around) as client:
            with pytest.raises(Unreachable, match=says) as caught:
                await client.call("restartNetwork", id="n")
            assert caught.value.maybe_sent
            assert "may be under way" in caught.value.hint
        gone.set()
        await server.close()


def self_signed(folder: Path) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that nobody has signed but itself; also written to `folder`/ca.pem."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now - day).not_valid_after(now + day).add_extension(address, False)
    certificate = built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(certificate)
    (folder / "both.pem").write_bytes(secret + certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "both.pem")
    return context


async def test_tls(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"listzonesresponse": {}})

    server = await serve(answer, self_signed(tmp_path))
    credentials = Credentials(str(server.make_url("/client/api")), KEY, SECRET)
    plain = Credentials(credentials.endpoint.replace("https", "http"), KEY, SECRET)
    trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    for verify in (False, trusting):
        around = HandClock().surroundings(verify=verify)
        async with Client(credentials, journal=MemoryJournal(), around=around) as client:
            assert await client.call("listZones") == {}
    journal = MemoryJournal()
    async with Client(credentials, journal=journal, around=HandClock().surroundings()) as client:
        with pytest.raises(Unreachable, match=r"not trusted: .*self-signed certificate") as caught:
            await client.call("listZones")
    assert "CA that signed it" in caught.value.hint
    assert not caught.value.maybe_sent
    assert len(journal.of(ApiCalled)) == 1
    async with Client(plain, journal=journal, around=HandClock().surroundings()) as client:
        with pytest.raises(CloudStackError):
            await client.call("restartNetwork")
    await server.close()


async def test_https_to_a_plain_port(bench: Bench) -> None:
    credentials = Credentials(bench.cloud.credentials.endpoint.replace("http", "https"), KEY, SECRET)
    async with Client(credentials, journal=bench.journal, around=bench.clock.surroundings()) as client:
        with pytest.raises(Unreachable, match="no TLS with") as caught:
            await client.call("listZones")
    assert "https or http" in caught.value.hint


def test_names_that_do_not_resolve() -> None:
    trouble = aiohttp.ClientConnectorDNSError(
        aiohttp.client_reqrep.ConnectionKey("cloud", 80, False, True, None, None, None), OSError(-2, "Name unknown")
    )
    error = unreachable("listZones", "http://cloud/client/api", trouble, change=False)
    assert "cannot be resolved" in str(error)
    assert "DNS" in error.hint


async def test_the_servers_clock_is_bounded_and_used_for_signing(bench: Bench) -> None:
    ahead_s = 3_600

    def dated(params: dict[str, str]) -> Raw:
        now = EPOCH_S + bench.clock.ns / 1e9 + ahead_s
        headers = {"Date": email.utils.formatdate(int(now), usegmt=True)}
        expires = datetime.datetime.strptime(params["expires"], "%Y-%m-%dT%H:%M:%S%z").timestamp()
        if now < expires < now + 900:
            return Raw(200, b'{"listzonesresponse":{}}', headers)
        answer = refusal(401, "unable to verify user credentials")
        return Raw(401, answer.body, headers)

    bench.cloud.answers = {"listZones": dated}
    await bench.client.call("listZones")
    assert [c.status for c in bench.journal.of(ApiCalled)] == [401, 200]
    first = bench.journal.of(ServerClock)[0]
    assert first.low_s <= EPOCH_S + ahead_s <= first.high_s
    for _ in range(30):
        await bench.clock.sleep(0.37)
        await bench.client.call("listZones")
    clocks = bench.journal.of(ServerClock)
    assert len(clocks) < 12
    assert all(c.low_s <= EPOCH_S + ahead_s <= c.high_s for c in clocks)
    assert clocks[-1].high_s - clocks[-1].low_s < 0.3


async def test_nonsense_parameters_never_leave(bench: Bench) -> None:
    for params in ({"signature": "x"}, {"name": "\ud800"}):
        with pytest.raises(CloudStackError, match="cannot be made"):
            await bench.client.exchange("listZones", params)
    assert bench.cloud.asked == []
