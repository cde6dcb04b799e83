# SPDX-License-Identifier: Apache-2.0
"""What a release ships for its system VMs: cloud-scripts.tgz, agent.zip and the script that patches a running one."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

_DATA = Path(__file__).parent / "patch"
_SCRIPTS = {
    "etc/haproxy/haproxy.cfg": "haproxy.cfg",
    "etc/ssh/sshd_config": "sshd_config",
    "etc/sysctl.conf": "sysctl.conf",
    "opt/cloud/bin/get_template_version.sh": "get_template_version.sh",
}
"""Path in the VM, without the leading slash: file of this package."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def text(name: str, **marks: str) -> str:
    """A file of the package's `patch` directory, with each `@MARK@` replaced."""
    content = (_DATA / name).read_text()
    for mark, value in marks.items():
        content = content.replace(f"@{mark}@", value)
    return content


def contents(code_version: str) -> dict[str, str]:
    """The files of that release's cloud-scripts.tgz, by path without the leading slash."""
    return {path: text(name, RELEASE=code_version) for path, name in _SCRIPTS.items()}


def archive(files: Mapping[str, str]) -> bytes:
    """A gzipped tar of these files; the same bytes for the same files."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size = len(content.encode())
            entry.mode = mode(path)
            tar.addfile(entry, io.BytesIO(content.encode()))
    return packed.getvalue()


def mode(path: str) -> int:
    """The permissions of a file of the image."""
    return 0o755 if path.lstrip("/").startswith("opt/cloud/bin/") else 0o644


@functools.cache
def checksum(code_version: str, algorithm: str) -> str:
    """Of that release's cloud-scripts.tgz, in hexadecimal: the signature that its system VMs report."""
    return hashlib.new(algorithm, archive(contents(code_version)), usedforsecurity=False).hexdigest()


def agent_properties(code_version: str) -> str:
    """What that release's agent knows of itself."""
    return f"version={code_version}\n"


def agent(code_version: str) -> bytes:
    """agent.zip: the software of storage and console VMs."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        entry = zipfile.ZipInfo("agent.properties", _EPOCH)
        file.writestr(entry, agent_properties(code_version))
    return packed.getvalue()


def patcher(algorithm: str) -> str:
    """patch-sysvms.sh; the release decides which checksum is the signature."""
    return text("patch-sysvms.sh", CHECKSUM=f"{algorithm}sum")
