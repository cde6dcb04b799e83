# SPDX-License-Identifier: Apache-2.0
"""The test cloud as a run sees it: one that is up already, or one that the run starts and takes down again."""

import asyncio
import contextlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csworkbench.engine.prepared import NotPrepared
from csworkbench.model.scenario import LabOptions

from .own_command import complaint, own_command

START_LIMIT_S = 60.0
STOP_LIMIT_S = 10.0


@dataclass(slots=True)
class LabCloud:
    """What `lab up` said. `process` is the cloud's own process when this run started it."""

    endpoint: str
    key: str
    secret: str
    egress_target: str
    connect_socket: str
    user: str
    key_file: str
    known_hosts: str
    outside_exec: tuple[str, ...]
    process: asyncio.subprocess.Process | None = None
    state_dir: Path | None = None
    ca_file: Path | None = None
    egress_target6: str = ""

    @property
    def own(self) -> bool:
        """True when it goes when the run ends."""
        return self.process is not None

    async def close(self) -> None:
        """Take down a cloud that this run started; leave any other alone."""
        if self.process is not None:
            await _end(self.process, self.state_dir)


async def _end(process: asyncio.subprocess.Process, state_dir: Path | None) -> None:
    """End the cloud's process and remove its folder, also when the cloud has died or is still coming up."""
    try:
        if process.returncode is None:
            if process.stdin is not None:
                process.stdin.close()  # `--until-eof`: also what happens when we are killed
            async with asyncio.timeout(STOP_LIMIT_S):
                await process.wait()
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if state_dir is not None:
            await asyncio.to_thread(shutil.rmtree, state_dir, ignore_errors=True)


async def running_lab() -> LabCloud | None:
    """The test cloud that is up in the default state directory, or None."""
    process = await asyncio.create_subprocess_exec(
        *own_command("lab", "status", "--json"), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    try:
        info = json.loads(out)
    except ValueError:
        return None
    return _cloud(info) if info.get("state") == "up" else None


async def start_lab(options: LabOptions) -> LabCloud:
    """Start a test cloud of this run's own. Raises NotPrepared with the lab's own last line."""
    # A short path: the cloud's Unix sockets lie in it, and theirs may have 107 bytes.
    state_dir = Path(tempfile.mkdtemp(prefix="csw-lab-"))
    words = own_command(
        "lab", "--state", str(state_dir), "up", "--foreground", "--until-eof", "--json", "--profile", options.profile,
        "--vms", str(options.vms), "--topology", options.topology, "--scale", str(options.scale), *_more(options),
    )  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C at the terminal is the engine's to handle, not the cloud's
        env=os.environ,
    )  # fmt: skip
    said: list[str] = []
    listening = asyncio.create_task(_listen(process, said))
    try:
        assert process.stdout is not None  # noqa: S101 - opened with PIPE
        async with asyncio.timeout(START_LIMIT_S):
            line = await process.stdout.readline()
        cloud = _cloud(json.loads(line), process, state_dir)
        for words in _settings(options):
            await _tell(state_dir, words)
        return cloud
    except BaseException as error:
        await _end(process, state_dir)
        await listening
        if isinstance(error, TimeoutError | ValueError | KeyError | TypeError):
            why = said[-1] if said else f"no answer within {START_LIMIT_S:.0f} s"
            raise NotPrepared(f"the test cloud did not come up: {why}") from None
        raise


def _more(options: LabOptions) -> list[str]:
    """The options of `lab up` that are empty unless the scenario names them."""
    given = (("--fleet", options.fleet), ("--handover", options.handover), ("--tenant-kinds", options.tenant_kinds))
    words = [word for name, value in given if value for word in (name, value)]
    for name, value in options.settings.items():
        words += ["--set", f"{name}={str(value).lower() if isinstance(value, bool) else value}"]
    return words


def _settings(options: LabOptions) -> list[list[str]]:
    """What the scenario wants done to the cloud before the run: an upgrade of its management server, faults."""
    done = [["fault", name] for name in options.faults]
    if options.upgrade:
        done.append(["manage", "upgrade", options.upgrade, *(["--code-only"] if options.code_only else [])])
    return done


async def _tell(state_dir: Path, words: list[str]) -> None:
    """Raises NotPrepared with the lab's own last line."""
    if why := await complaint(["lab", "--state", str(state_dir), *words]):
        raise NotPrepared(f"the test cloud refused `lab {' '.join(words)}`: {why}", 2)


async def _listen(process: asyncio.subprocess.Process, said: list[str]) -> None:
    """Keep the last lines of stderr: the pipe must be drained as long as the cloud lives."""
    assert process.stderr is not None  # noqa: S101 - opened with PIPE
    while line := await process.stderr.readline():
        text = line.decode("utf-8", "replace").strip()
        if text:
            said.append(text[:300])
            del said[:-20]


def _cloud(
    info: dict[str, Any], process: asyncio.subprocess.Process | None = None, state_dir: Path | None = None
) -> LabCloud:
    ssh = info["ssh"]
    return LabCloud(
        info["endpoint"], info["key"], info["secret"], info["egress_target"], info["connect_socket"], ssh["user"],
        ssh["key"], ssh["known_hosts"], tuple(info["outside"]["exec"]), process,
        state_dir, Path(info["ca"]) if "ca" in info else None, info.get("egress_target6", ""),
    )  # fmt: skip
