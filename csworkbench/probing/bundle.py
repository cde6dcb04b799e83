# SPDX-License-Identifier: Apache-2.0
"""The archive that goes to a vantage: the probe program and scapy beside it, named by what is in it.

Scapy is copied as files and never imported here: it is GPL, and runs only in the probe program's process.
"""

import gzip
import hashlib
import importlib.util
import io
import py_compile
import tarfile
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROBES_PACKAGE = "csw_probe"
# What builds the packets that we send: the core and the layers it imports, without Scapy's protocol collection.
SCAPY_PARTS = ("", "arch", "arch/linux", "asn1", "libs")
SCAPY_LAYERS = ("__init__", "inet", "inet6", "l2")
SCAPY_LEFT_OUT = ("libs/manuf.py",)  # 2 MB of vendor names


@dataclass(frozen=True, slots=True)
class Bundle:
    """`digest` names the content (first 16 hex digits of SHA-256); `archive` is a .tar.gz."""

    digest: str
    archive: bytes


def data_folder(name: str) -> Path:
    """`probes`, `layouts` or `samples`: in an installed wheel under _data, else in the checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_data" / name
    return installed if installed.is_dir() else package.parent / name


@cache
def build_bundle() -> Bundle:
    """Pack the probe program and scapy. Raises FileNotFoundError when one of them is not installed."""
    spec = importlib.util.find_spec("scapy")  # looks only; importing it would mix licences in one process
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package scapy is not installed; `make setup` installs it")
    scapy = Path(next(iter(spec.submodule_search_locations)))
    probes = data_folder("probes")
    files = {f"{PROBES_PACKAGE}/{p.relative_to(probes)}": p for p in sorted(probes.rglob("*.py"))}
    if not files:
        raise FileNotFoundError(f"no probe program under {probes}")
    files |= {
        f"scapy/{rel}": p
        for p in sorted(scapy.rglob("*.py"))
        if _wanted(rel := p.relative_to(scapy).as_posix(), p.stem)
    }
    contents = {name: path.read_bytes() for name, path in files.items()}
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return Bundle(digest.hexdigest()[:16], _pack(contents))


def _wanted(relative: str, stem: str) -> bool:
    folder = relative.rpartition("/")[0]
    if folder == "layers":
        return stem in SCAPY_LAYERS
    return folder in SCAPY_PARTS and relative not in SCAPY_LEFT_OUT


def _pack(contents: dict[str, bytes]) -> bytes:
    """The archive. Byte code rides along: compiling scapy costs a busy tenant over a second of CPU."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in contents.items():
            _add(tar, name, content)
            if name.endswith(".py") and (compiled := _byte_code(name, content)):
                _add(tar, *compiled)
    return gzip.compress(raw.getvalue(), compresslevel=6, mtime=0)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o600
    tar.addfile(info, io.BytesIO(content))


def _byte_code(name: str, content: bytes) -> tuple[str, bytes] | None:
    """This interpreter's byte code, unchecked (PEP 552); another Python version on the tenant ignores the file."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / Path(name).name
        source.write_bytes(content)
        try:
            made = py_compile.compile(
                str(source), dfile=name, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
            )
        except py_compile.PyCompileError:
            return None
        path = Path(str(made))
        return f"{Path(name).parent}/__pycache__/{path.name}", path.read_bytes()
