# SPDX-License-Identifier: Apache-2.0
"""The probe program on a tenant's Python: 3.7 and what it had, and every interpreter that this machine offers."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .net import ROOT, environment, lane, make_bundle

SOURCES = sorted((ROOT / "probes").glob("*.py"))
#: The standard library of Python 3.7, as far as a prober could want it.
LIBRARY = {
    "__future__", "array", "base64", "binascii", "bisect", "collections", "contextlib", "copy", "ctypes",
    "enum", "errno", "fcntl", "functools", "gc", "hashlib", "heapq", "hmac", "http", "importlib", "io",
    "ipaddress", "itertools", "json", "logging", "math", "operator", "os", "platform", "pwd", "queue",
    "random", "re", "resource", "select", "signal", "socket", "ssl", "stat", "string", "struct", "subprocess",
    "sys", "tempfile", "termios", "threading", "time", "types", "urllib", "weakref", "zlib",
}  # fmt: skip
#: Names that came later (docs.python.org, "Changed in version" and "New in version").
NEWER = {
    "removeprefix": "3.9", "removesuffix": "3.9", "bit_count": "3.10", "pairwise": "3.10", "batched": "3.12",
    "cached_property": "3.8", "singledispatchmethod": "3.8", "prod": "3.8", "isqrt": "3.8", "dist": "3.8",
    "comb": "3.8",
    "perm": "3.8", "lcm": "3.9", "nextafter": "3.9", "ulp": "3.9", "randbytes": "3.9", "pidfd_open": "3.9",
    "pidfd_send_signal": "3.9", "waitstatus_to_exitcode": "3.9", "memfd_create": "3.8", "eventfd": "3.10",
    "timerfd_create": "3.13", "unshare": "3.12", "setns": "3.12", "send_fds": "3.9", "recv_fds": "3.9",
    "create_server": "3.8", "has_dualstack_ipv6": "3.8", "posix_spawn": "3.8", "raise_signal": "3.8",
    "strsignal": "3.8",
    "anext": "3.10", "aiter": "3.10", "ExceptionGroup": "3.11", "file_digest": "3.11", "is_relative_to": "3.9",
    "to_thread": "3.9", "StrEnum": "3.11", "EncodingWarning": "3.10",
}  # fmt: skip
KEYWORDS = {
    "strict": "3.10",
    "slots": "3.10",
    "kw_only": "3.10",
    "missing_ok": "3.8",
    "dirs_exist_ok": "3.8",
    "umask": "3.9",
}


def too_new(text: str) -> list[str]:
    """What Python 3.7 does not have, with its line."""
    found = []
    for node in ast.walk(ast.parse(text, feature_version=(3, 7))):
        at = f"line {getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Attribute | ast.Name):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            if name in NEWER:
                found.append(f"{at}: {name} is of {NEWER[name]}")
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            found += [f"{at}: {k.arg}= is of {KEYWORDS[k.arg]}" for k in node.keywords if k.arg in KEYWORDS]
            if name == "to_bytes" and len(node.args) + len(node.keywords) < 2:
                found.append(f"{at}: to_bytes without its arguments is of 3.11")
            if name == "from_bytes" and len(node.args) + len(node.keywords) < 2:
                found.append(f"{at}: from_bytes without a byte order is of 3.11")
        elif isinstance(node, ast.FunctionDef):
            plain = [d for d in node.decorator_list if isinstance(d, ast.Name | ast.Attribute)]
            if any(getattr(d, "attr", getattr(d, "id", "")) == "lru_cache" for d in plain):
                found.append(f"{at}: lru_cache without a call is of 3.8")
        elif isinstance(node, ast.Import):
            found += [f"{at}: {n.name}" for n in node.names if n.name.partition(".")[0] not in LIBRARY]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            package = (node.module or "").partition(".")[0]
            found += [f"{at}: {package}"] if package not in LIBRARY | {"scapy"} else []
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_python_3_7_has_what_it_uses(path: Path) -> None:
    assert too_new(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "'x'.removeprefix('y')", "import tomllib", "zip(a, b, strict=True)", "(5).to_bytes(2)", "int.from_bytes(b'')",
        "@lru_cache\ndef f(): pass", "from requests import get", "os.pidfd_open(1)",
    ],
)  # fmt: skip
def test_the_check_sees_what_is_newer(line: str) -> None:
    assert too_new(line)


@pytest.mark.parametrize("line", ["(x := 1)", "def f(a, /): pass", "match x:\n  case 1: pass", "f'{x=}'[(y := 2)]"])
def test_newer_syntax_is_no_python_3_7(line: str) -> None:
    with pytest.raises(SyntaxError):
        too_new(line)


def interpreters() -> list[str]:
    """One of each release from 3.7 on that this machine has outside of any virtual environment."""
    found: dict[str, str] = {}
    for folder in ("/usr/bin", "/usr/local/bin", "/opt/python/bin"):
        for path in Path(folder).glob("python3*"):
            if re.fullmatch(r"python3(\.\d+)?", path.name):
                asked = subprocess.run(
                    [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                    capture_output=True, text=True, check=False,
                )  # fmt: skip
                if asked.returncode == 0 and int(asked.stdout.split(".")[1]) >= 7:
                    found.setdefault(asked.stdout.strip(), str(path))
    return [found[release] for release in sorted(found, key=lambda text: int(text.split(".")[1]))] or [sys.executable]


@pytest.mark.lab
@pytest.mark.parametrize("python", interpreters())
def test_every_interpreter_of_this_machine_probes_loopback(python: str, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    said = subprocess.run(
        [python, "-m", "csw_probe", "check"], env=environment(bundle), capture_output=True, text=True, check=True
    )
    assert json.loads(said.stdout)["scapy"]
    plan = {"version": 1, "run": "5a" * 16, "duration_s": 0.3, "lanes": [lane(0, "icmp", "127.0.0.1")]}
    (tmp_path / "plan").write_text(json.dumps(plan))
    words = ["run", "--plan", str(tmp_path / "plan"), "--spool", str(tmp_path / "spool")]
    done = subprocess.run(
        [python, "-m", "csw_probe", *words], env=environment(bundle), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "spool").stat().st_size > 64 + 6 * 56
