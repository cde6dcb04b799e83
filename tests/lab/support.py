# SPDX-License-Identifier: Apache-2.0
"""What the lab's tests share: a cloud as a child process, and a small API client with the lab's own signing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from csworkbench.lab import client
from csworkbench.lab.api.signature import sign

REPOSITORY = Path(__file__).resolve().parents[2]
LAB = (sys.executable, "-c", "from csworkbench.cli.lab import lab; lab()")
"""`csworkbench lab` without the rest of the program."""
JOB_LIMIT_S = 60.0


def environment() -> dict[str, str]:
    """The environment for a `lab` command: this repository on the path."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


class RunningCloud:
    """A cloud that lives as long as this process holds its standard input."""

    def __init__(self, state: Path, process: subprocess.Popen[str], info: dict[str, Any]) -> None:
        self.state, self.process, self.info = state, process, info

    def api(self, command: str, **parameters: str) -> tuple[int, dict[str, Any]]:
        """POST a signed call; HTTP status and the content of the envelope."""
        given = {"command": command, "response": "json", "apiKey": self.info["key"], **parameters}
        given["signature"] = sign(given, self.info["secret"])
        return http(self.info["endpoint"], given)

    def wait_for_job(self, reply: dict[str, Any]) -> dict[str, Any]:
        """Follow a job to its end; AssertionError after a minute."""
        limit = time.monotonic() + JOB_LIMIT_S
        while time.monotonic() < limit:
            _, job = self.api("queryAsyncJobResult", jobid=reply["jobid"])
            if job["jobstatus"] != 0:
                return job
            time.sleep(0.05)
        raise AssertionError(f"job {reply['jobid']} does not end")

    def network(self) -> dict[str, Any]:
        """The one network's row."""
        return dict(self.api("listNetworks", listall="true")[1]["network"][0])

    def routers(self) -> list[dict[str, Any]]:
        """All routers' rows."""
        return list(self.api("listRouters", listall="true")[1].get("router", []))

    def restart(self, *, cleanup: bool) -> dict[str, Any]:
        """restartNetwork to its end; the job's row."""
        _, reply = self.api("restartNetwork", id=self.network()["id"], cleanup=str(cleanup).lower())
        return self.wait_for_job(reply)

    def run(self, host: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """`lab exec`."""
        return self.lab("exec", host, "--", *argv)

    def lab(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Any `lab` command on this cloud."""
        return lab(self.state, *words)

    def banner(self, address: str) -> bytes:
        """What port 22 of a public address says first, seen from outside."""
        with client.connect(self.state, address, 22) as connection:
            connection.settimeout(5)
            return connection.recv(64)


def lab(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `csworkbench lab --state STATE ...` to its end."""
    return subprocess.run(
        [*LAB, "--state", str(state), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment(),
    )


@contextmanager
def running_cloud(
    state: Path, *options: str, prefix: Sequence[str] = LAB, env: dict[str, str] | None = None
) -> Iterator[RunningCloud]:
    """A cloud for the length of a with block; nothing of it is left afterwards."""
    process = subprocess.Popen(
        [*prefix, "--state", str(state), "up", "--foreground", "--until-eof", "--json", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env or environment(),
    )
    assert process.stdin and process.stdout and process.stderr
    try:
        line = process.stdout.readline()
        if not line:
            raise AssertionError(f"the cloud did not come up: {process.stderr.read()}")
        yield RunningCloud(state, process, json.loads(line))
    finally:
        process.stdin.close()
        process.wait(timeout=20)
        process.stdout.close()
        process.stderr.close()


def http(endpoint: str, parameters: dict[str, str], *, get: bool = False) -> tuple[int, dict[str, Any]]:
    """One request; HTTP status and the content of the JSON envelope."""
    data = urllib.parse.urlencode(parameters)
    request = f"{endpoint}?{data}" if get else endpoint
    try:
        with urllib.request.urlopen(request, data=None if get else data.encode(), timeout=10) as reply:
            status, body = reply.status, reply.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
        error.close()
    (content,) = json.loads(body).values()
    return status, content


def namespaces_of(pid: int) -> set[str]:
    """The namespaces of a process, as `kind:[inode]`."""
    found = set()
    for kind in ("net", "pid", "mnt", "uts", "time", "user", "ipc", "cgroup"):
        try:
            found.add(str(Path(f"/proc/{pid}/ns/{kind}").readlink()))
        except OSError:
            continue
    return found


def descendants(pid: int) -> set[int]:
    """All processes below that one."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        try:
            children = Path(f"/proc/{waiting[-1]}/task/{waiting.pop()}/children").read_text().split()
        except OSError:
            continue
        fresh = {int(child) for child in children} - found
        found |= fresh
        waiting += fresh
    return found


def members(namespaces: set[str]) -> list[int]:
    """Processes that are in one of these namespaces."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if namespaces_of(pid) & namespaces]
