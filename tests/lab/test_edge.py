# SPDX-License-Identifier: Apache-2.0
"""A whole cloud whose API is served over TLS: clients with and without its CA, faults by `lab fault`, both ports."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import shlex
import shutil
import socket
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from cs import CloudStack
from requests.exceptions import SSLError

from csworkbench.cloudstack import Client, Credentials, Unreachable, read_inventory
from csworkbench.cloudstack.transport import Surroundings
from csworkbench.config.clouds import find_cloud
from csworkbench.lab.api.signature import sign
from csworkbench.model.event import Body
from tests.lab import ordinary_user
from tests.lab.support import RunningCloud, running_cloud

pytestmark = pytest.mark.lab


class NoJournal:
    """Keeps nothing."""

    def write(self, *bodies: Body) -> None:
        """Drop them."""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory: Path = tmp_path_factory.mktemp("e") / "lab"
    return directory


@pytest.fixture(scope="module")
def cloud(state: Path) -> Iterator[RunningCloud]:
    with running_cloud(state, "--tls", "--vms", "2", "--scale", "0.01") as running:
        yield running


def exported(cloud: RunningCloud) -> dict[str, str]:
    """What `lab env` exports."""
    words = shlex.split(cloud.lab("env").stdout)
    assert words[0] == "export"
    return dict(word.split("=", 1) for word in words[1:])


def fetch(cloud: RunningCloud, command: str, **given: str) -> tuple[int, bytes]:
    """A signed GET by urllib with the CA: status and body. Raises what urllib raises."""
    sent = {"command": command, "response": "json", "apikey": cloud.info["key"], **given}
    sent["signature"] = sign(sent, cloud.info["secret"])
    context = ssl.create_default_context(cafile=cloud.info["ca"])
    try:
        with urllib.request.urlopen(
            f"{cloud.info['endpoint']}?{urlencode(sent)}", timeout=20, context=context
        ) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_cs_trusts_the_ca_that_lab_env_names_and_nothing_else(cloud: RunningCloud) -> None:
    env = exported(cloud)
    assert env["CLOUDSTACK_ENDPOINT"].startswith("https://127.0.0.1:")
    words = (env["CLOUDSTACK_ENDPOINT"], env["CLOUDSTACK_KEY"], env["CLOUDSTACK_SECRET"])
    assert CloudStack(*words, verify=env["CLOUDSTACK_VERIFY"]).listNetworks(listall=True)["count"] == 1
    with pytest.raises(SSLError):
        CloudStack(*words).listNetworks(listall=True)


async def test_our_own_client_reads_the_inventory_with_the_environment_of_lab_env(cloud: RunningCloud) -> None:
    found = find_cloud("env", exported(cloud), Path("/nowhere"), Path("/nowhere"))
    credentials = Credentials(found.endpoint, found.key, found.secret)
    around = Surroundings(verify=found.verify())
    async with Client(credentials, journal=NoJournal(), around=around) as client:
        assert (await read_inventory(client, "probe-net")).network.name == "probe-net"
    async with Client(credentials, journal=NoJournal()) as client:
        with pytest.raises(Unreachable):
            await client.call("listZones")


def test_curl_checks_the_certificate(cloud: RunningCloud) -> None:
    def curl(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["curl", "-sS", *words], capture_output=True, text=True, timeout=20, check=False)

    endpoint, ca = cloud.info["endpoint"], cloud.info["ca"]
    try:
        done = curl("--cacert", ca, f"{endpoint}?response=json")
    except FileNotFoundError:
        pytest.skip("curl is not installed")
    assert json.loads(done.stdout)["errorresponse"]["errorcode"] == 401
    assert json.loads(curl("--cacert", ca, endpoint.replace("127.0.0.1", "localhost") + "?response=json").stdout)
    assert curl(endpoint).returncode == 60
    plain_http = curl(f"{cloud.info['http_endpoint']}?response=json")
    assert json.loads(plain_http.stdout)["errorresponse"]["errorcode"] == 401


def test_keys_are_private_and_the_cas_own_key_is_nowhere(cloud: RunningCloud) -> None:
    files = [file for file in cloud.state.iterdir() if file.suffix == ".pem"]
    assert {file.name for file in files} == {"ca.pem", "server.pem"}
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)
    assert b"PRIVATE KEY" not in (cloud.state / "ca.pem").read_bytes()


def test_faults_are_listed_in_columns_and_switched_at_run_time(cloud: RunningCloud) -> None:
    lines = cloud.lab("fault").stdout.splitlines()
    assert len({line.index(line.split(maxsplit=3)[3]) for line in lines}) == 1
    assert cloud.lab("fault", "api-503").returncode == 0
    assert fetch(cloud, "listZones")[0] == 503
    assert fetch(cloud, "listZones")[1].startswith(b"<html>")
    assert cloud.lab("fault", "api-503", "--off").returncode == 0
    assert fetch(cloud, "listZones")[0] == 200
    assert cloud.lab("fault", "api-nothing").returncode == 1


def test_a_closed_connection_was_a_call_that_was_carried_out(cloud: RunningCloud) -> None:
    network = json.loads(fetch(cloud, "listNetworks", listall="true")[1])["listnetworksresponse"]["network"][0]["id"]
    cloud.lab("fault", "api-closed")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError, ssl.SSLError, urllib.error.URLError)):
        fetch(cloud, "restartNetwork", id=network, cleanup="false")
    cloud.lab("fault", "api-closed", "--off")
    events = json.loads(fetch(cloud, "listEvents", type="NETWORK.RESTART", listall="true")[1])
    assert events["listeventsresponse"]["event"][-1]["state"] == "Scheduled"


async def test_a_job_that_the_restart_loses(cloud: RunningCloud) -> None:
    """Our own client: `cs` 5.2 stumbles over the missing `jobresult` and polls for ever."""
    network = json.loads(fetch(cloud, "listNetworks", listall="true")[1])["listnetworksresponse"]["network"][0]["id"]
    cloud.lab("fault", "job-lost")
    credentials = Credentials(cloud.info["endpoint"], cloud.info["key"], cloud.info["secret"])
    around = Surroundings(verify=ssl.create_default_context(cafile=cloud.info["ca"]))
    async with Client(credentials, journal=NoJournal(), around=around) as client:
        reply = await client.call("restartNetwork", id=network, cleanup=False)
        async with asyncio.timeout(20):
            while not (job := await client.call("queryAsyncJobResult", jobid=str(reply["jobid"])))["jobstatus"]:
                pass
    assert (job["jobstatus"], job["jobresultcode"], "jobresult" in job) == (2, 530, False)
    assert not any(line.startswith("on") for line in cloud.lab("fault").stdout.splitlines())


def test_the_integration_port_opens_with_a_restart(cloud: RunningCloud) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    status, _ = fetch(cloud, "updateConfiguration", name="integration.api.port", value=str(port))
    assert status == 200
    assert cloud.lab("manage", "restart").returncode == 0
    api: Any = CloudStack(f"http://127.0.0.1:{port}/any")
    assert api.listHosts(type="Routing")["count"] == 1
    fetch(cloud, "updateConfiguration", name="integration.api.port", value=str(urlsplit(cloud.info["endpoint"]).port))
    refused = cloud.lab("manage", "restart")
    assert (refused.returncode, "integration.api.port" in refused.stderr) == (1, True)
    assert fetch(cloud, "listZones")[0] == 200


def test_the_ca_outlives_the_cloud(tmp_path: Path) -> None:
    from csworkbench.lab.tls import Authority

    first = Authority.of(tmp_path).ca_file.read_bytes()
    assert Authority.of(tmp_path).ca_file.read_bytes() == first


@pytest.mark.slow
def test_tls_faults_and_the_integration_port_as_an_ordinary_user() -> None:
    home = Path(tempfile.mkdtemp(prefix="lab-user-"))  # pytest's own directories are closed to others
    try:
        os.chown(home, *ordinary_user.identity())
        options = ("--tls", "--vms", "1", "--scale", "0.01")
        with running_cloud(home / "lab", *options, prefix=ordinary_user.lab_prefix(home)) as cloud:
            assert Path(cloud.info["ca"]).stat().st_uid == ordinary_user.identity()[0]
            test_cs_trusts_the_ca_that_lab_env_names_and_nothing_else(cloud)
            test_faults_are_listed_in_columns_and_switched_at_run_time(cloud)
            test_the_integration_port_opens_with_a_restart(cloud)
    finally:
        shutil.rmtree(home)
