# SPDX-License-Identifier: Apache-2.0
"""getDiagnosticsData (4.14+): log files and outputs of commands of a router or system VM, as one archive."""

import re
import ssl
from collections.abc import Sequence
from pathlib import Path

from csworkbench.model.protocols import Journal

from .client import Client
from .diagnostics import DATA, DiagnosticsTarget, job_object, require_diagnostics
from .download import LIMIT_S, MOST_BYTES, Connect, Download, download
from .envelope import string
from .errors import BadParameter, BadReply
from .text import one_line

PREPARE_LIMIT_S = 300.0  # diagnostics.data.retrieval.timeout is 1,800 s; nobody watches that long
MOST_FILES = 100
_FILE = re.compile(r"(/[\w@+.-]+)+|\[\w{1,64}\]", re.ASCII)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)


async def collect_data(
    client: Client,
    journal: Journal,
    target: DiagnosticsTarget,
    folder: Path,
    *,
    connect: Connect,
    verify: bool | ssl.SSLContext = True,
    files: Sequence[str] = (),
    most_bytes: int = MOST_BYTES,
    limit_s: float = PREPARE_LIMIT_S + LIMIT_S,
) -> Download:
    """Have the archive made and fetch it into `folder` as NAME-diagnostics.zip (or .tar.gz, .tar), private to us.

    `files`: absolute paths, or `[NAME]` of a command; what the server's settings name when empty. `connect` leads to
    the secondary storage VM, `verify` as a Client's. CloudStack gives no checksum: the SHA-256 is of what arrived.
    Raises CloudStackError.
    """
    _check(files)
    await require_diagnostics(client, DATA)
    params = {"targetid": target.id, "files": ",".join(files) or None}
    found = await job_object(client, journal, DATA, {**params}, min(PREPARE_LIMIT_S, limit_s))
    url = string(found.get("url"), 5_000)
    if not url:
        raise BadReply(DATA, "the job's result holds no address of a file")
    name = _UNSAFE.sub("_", target.name).strip("._")[:60] or "vm"
    fetched = await download(
        DATA, url, folder / f"{name}-diagnostics.download", connect=connect, verify=verify,
        most_bytes=most_bytes, limit_s=min(LIMIT_S, limit_s),
    )  # fmt: skip
    suffix = {"zip": "zip", "gzip": "tar.gz", "tar": "tar"}.get(fetched.content, "bin")
    final = fetched.path.replace(folder / f"{name}-diagnostics.{suffix}")
    return Download(final, fetched.size, fetched.sha256, fetched.content)


def _check(files: Sequence[str]) -> None:
    """Raises BadParameter for what is neither a path nor a command's name in brackets."""
    if len(files) > MOST_FILES:
        raise BadParameter(DATA, f"{len(files)} files", hint=f"Name {MOST_FILES} at most.")
    for name in files:
        if len(name) > 1_024 or not _FILE.fullmatch(name) or ".." in name.split("/"):
            hint = "Write absolute paths, e.g. /var/log/cloud.log, or [IPTABLES]."
            raise BadParameter(DATA, f"{one_line(name, 60)!r} is no file of a VM", hint=hint)
