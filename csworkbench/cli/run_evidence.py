# SPDX-License-Identifier: Apache-2.0
"""What is kept of a run whose operation went wrong: samples, health checks, events and the routers' own logs."""

import asyncio
import csv
import hashlib
import io
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from csworkbench.cloudstack import Client, CloudStackError, refresh
from csworkbench.cloudstack.diagnostics import DATA, DiagnosticsTarget, why_not
from csworkbench.cloudstack.diagnostics_data import collect_data
from csworkbench.cloudstack.envelope import rows
from csworkbench.cloudstack.evidence import HEALTH
from csworkbench.cloudstack.text import one_line, plain_text
from csworkbench.model.cloud import Inventory
from csworkbench.model.event import EvidenceKept
from csworkbench.model.protocols import Journal
from csworkbench.recording.reader import RunFileError, load_state
from csworkbench.results.tables import harmless

from .profile import Profile, Unrecorded

FOLDER = "diagnostics"
LIMIT_S = 240.0
EACH_LIMIT_S = 100.0
MOST_BYTES = 64 * 1024 * 1024
MOST_VMS = 4
EVENTS = 200
LAST_SAMPLES = 200  # of each lane
TEXT_CHARS = 4_000


class EvidenceKeeper:
    """Collects once, into the run's folder; each thing that fails is named, and the next one is tried."""

    def __init__(self, client: Client, profile: Profile, before: Inventory, journal: Journal) -> None:
        self._client, self._profile, self._before, self._journal = client, profile, before, journal

    async def keep(self, run_file: Path) -> None:
        """Everything, within 4 minutes; what was under way then is left out, and said. Never raises for the cloud."""
        folder = run_file.parent / FOLDER
        try:
            await asyncio.to_thread(folder.mkdir, mode=0o700, exist_ok=True)
        except OSError as error:
            self._missed("all of it", f"{folder}: {error.strerror or error}")
            return
        doing = "the last samples"
        try:
            async with asyncio.timeout(LIMIT_S):
                await self._text(folder / "last-samples.csv", doing, lambda: asyncio.to_thread(_last_samples, run_file))
                doing = "events"
                await self._text(folder / "events.json", doing, self._events)
                doing = "health checks"
                now = await self._now()
                await self._text(folder / "health-checks.json", doing, lambda: self._health(now))
                for vm in _vms(now)[:MOST_VMS]:
                    doing = f"the logs of {vm.name}"
                    await self._archive(folder, vm, doing)
        except TimeoutError:
            self._missed(doing, f"not within {LIMIT_S:.0f} s, nor what comes after it")

    async def _now(self) -> Inventory:
        try:
            return await refresh(self._client, self._before)
        except CloudStackError:
            return self._before

    async def _text(self, path: Path, what: str, make: Callable[[], Awaitable[str]]) -> None:
        try:
            async with asyncio.timeout(EACH_LIMIT_S):
                data = (await make()).encode("utf-8", "replace")
            await asyncio.to_thread(_write, path, data)
        except (CloudStackError, RunFileError, OSError) as error:  # TimeoutError is an OSError
            self._missed(what, str(error) or f"not within {EACH_LIMIT_S:.0f} s")
            return
        self._kept(what, path, len(data), hashlib.sha256(data).hexdigest())

    async def _events(self) -> str:
        reply = await self._client.call("listEvents", listall=True, page=1, pagesize=EVENTS)
        return _json(rows(reply, "event"))

    async def _health(self, now: Inventory) -> str:
        found: dict[str, Any] = {}
        if not (await self._client.capabilities()).has(HEALTH):
            raise CloudStackError(HEALTH, "not offered by this server (4.14+) or to this account", hint="")
        for router in now.routers:
            try:
                reply = await self._client.call(HEALTH, routerid=router.id)
                about = reply.get("routerhealthchecks")
                found[router.name] = rows(about, "healthchecks") if isinstance(about, dict) else []
            except CloudStackError as error:
                found[router.name] = str(error)
        return _json(found)

    async def _archive(self, folder: Path, vm: DiagnosticsTarget, what: str) -> None:
        if why := why_not(await self._client.capabilities(), DATA):
            self._missed(what, why)
            return
        try:
            async with asyncio.timeout(EACH_LIMIT_S):
                got = await collect_data(
                    self._client, Unrecorded(), vm, folder, connect=self._profile.connect,
                    verify=self._profile.storage_verify, most_bytes=MOST_BYTES,
                )  # fmt: skip
        except CloudStackError as error:
            self._missed(what, str(error))
        except TimeoutError:
            self._missed(what, f"not within {EACH_LIMIT_S:.0f} s")
        else:
            self._kept(what, got.path, got.size, got.sha256)

    def _kept(self, what: str, path: Path, size: int, sha256: str) -> None:
        self._journal.write(EvidenceKept(what, f"{FOLDER}/{path.name}", size, sha256))

    def _missed(self, what: str, why: str) -> None:
        self._journal.write(EvidenceKept(what, why=one_line(why, 300)))


def _vms(now: Inventory) -> list[DiagnosticsTarget]:
    """The routers, or the system VM, that the run was about."""
    routers = [DiagnosticsTarget(r.id, r.name, "router", r.state) for r in now.routers]
    return routers + [DiagnosticsTarget(vm.id, vm.name, "system VM", vm.state) for vm in now.systemvms]


def _last_samples(run_file: Path) -> str:
    """The end of each lane, newest last. Raises RunFileError."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(("lane", "service", "vantage", "target", "seq", "sent_ns", "received_ns", "outcome", "reason"))
    for lane_id, lane in sorted(load_state(run_file).lanes.items()):
        names = (lane.lane.service, harmless(lane.lane.vantage), harmless(lane.lane.target))
        for sample in lane.samples[-LAST_SAMPLES:]:
            stamps = (sample.seq, sample.sent_ns, sample.received_ns)
            table.writerow((lane_id, *names, *stamps, sample.outcome.name.lower(), sample.reason.text))
    return out.getvalue()


def _json(value: Any) -> str:
    return json.dumps(_bounded(value), indent=2, ensure_ascii=True) + "\n"


def _bounded(value: Any, depth: int = 4) -> Any:
    """What a server said, with texts cut and made plain: this is read in editors and terminals."""
    if isinstance(value, str):
        return plain_text(value, TEXT_CHARS)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth == 0:
        return one_line(value, 200)
    if isinstance(value, dict):
        return {one_line(key, 100): _bounded(inner, depth - 1) for key, inner in list(value.items())[:EVENTS]}
    return [_bounded(inner, depth - 1) for inner in list(value)[:EVENTS]]


def _write(path: Path, data: bytes) -> None:
    """Beside, then in place, for the owner alone."""
    part = path.with_name(f".{path.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(data)
    part.replace(path)
