# SPDX-License-Identifier: Apache-2.0
"""The commands that need no network: check, tail on files, what is imported, what Python they speak."""

from __future__ import annotations

import ast
import json
import os
import select
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .net import ROOT, environment, make_bundle

GOLDEN = Path(__file__).parent / "golden" / "spool-v1.bin"
SOURCES = sorted((ROOT / "probes").glob("*.py"))


class Tail:
    """A tail as a process, and its frames."""

    def __init__(self, bundle: Path, spool: Path, offset: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-m", "csw_probe", "tail", "--spool", str(spool), "--offset", str(offset)],
            env=environment(bundle),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._buffer = b""

    def frame(self, seconds: float = 3.0) -> tuple[bytes, bytes] | None:
        """The next frame, None at the end."""
        assert self.process.stdout is not None
        end = time.monotonic() + seconds
        while len(self._buffer) < 5 or len(self._buffer) < 5 + struct.unpack_from("<I", self._buffer, 1)[0]:
            if not select.select([self.process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError
            block = os.read(self.process.stdout.fileno(), 65536)
            if not block:
                return None
            self._buffer += block
        length = struct.unpack_from("<I", self._buffer, 1)[0]
        kind, payload, self._buffer = self._buffer[:1], self._buffer[5 : 5 + length], self._buffer[5 + length :]
        assert length <= 65536
        return kind, payload

    def data(self, length: int) -> tuple[int, bytes]:
        """At least that many bytes of the spool, and the offset of the first."""
        first, collected = -1, b""
        while len(collected) < length:
            frame = self.frame()
            assert frame is not None
            if frame[0] == b"D":
                offset = struct.unpack_from("<Q", frame[1])[0]
                first = offset if first < 0 else first
                assert offset == first + len(collected)
                collected += frame[1][8:]
        return first, collected

    def ask(self, text: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def end(self) -> int:
        self.process.communicate(timeout=3)
        return self.process.returncode


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_bundle(tmp_path)


def test_the_tail_sends_the_header_then_whole_records_and_resumes(bundle: Path) -> None:
    golden = GOLDEN.read_bytes()
    spool = bundle / "spool"
    spool.write_bytes(golden[: 64 + 56 * 3 + 20])  # a record is being written
    tail = Tail(bundle, spool, 0)
    assert tail.data(64 + 56 * 3) == (0, golden[: 64 + 56 * 3])
    with spool.open("ab") as file:
        file.write(golden[64 + 56 * 3 + 20 : 64 + 56 * 5])
    written = time.monotonic()
    assert tail.data(56 * 2) == (64 + 56 * 3, golden[64 + 56 * 3 : 64 + 56 * 5])
    assert time.monotonic() - written < 0.5  # 50 ms, and what a busy test machine takes
    assert tail.end() == 0
    again = Tail(bundle, spool, 64 + 56 * 4)
    assert again.data(56) == (64 + 56 * 4, golden[64 + 56 * 4 : 64 + 56 * 5])
    assert again.end() == 0


def test_a_long_spool_comes_in_blocks_and_an_echo_does_not_wait_behind_it(bundle: Path) -> None:
    spool = bundle / "spool"
    spool.write_bytes(GOLDEN.read_bytes()[:64] + bytes(56 * 40_000))
    tail = Tail(bundle, spool, 0)
    tail.ask(b"E 1\n")
    _first, data = tail.data(64 + 56 * 40_000)
    assert data == spool.read_bytes()
    assert tail.end() == 0


def test_the_heartbeat_says_size_and_that_nobody_lives(bundle: Path) -> None:
    spool = bundle / "spool"
    shutil.copy(GOLDEN, spool)
    tail = Tail(bundle, spool, spool.stat().st_size)
    assert tail.frame() == (b"H", struct.pack("<QB", spool.stat().st_size, 0))
    assert tail.end() == 0


def test_echoes_carry_token_and_both_clocks(bundle: Path) -> None:
    spool = bundle / "spool"
    shutil.copy(GOLDEN, spool)
    tail = Tail(bundle, spool, spool.stat().st_size)
    before = time.monotonic_ns()
    tail.ask(b"E 7\nE x\nnonsense\n\nE 99999999999999999999\nE 123456789012345678901\n" + b"y" * 9000 + b"\nE 8\nE ")
    tail.ask(b"18446744073709551615\n")
    seen: list[int] = []
    while len(seen) < 3:
        frame = tail.frame()
        assert frame is not None
        if frame[0] == b"E":
            token, mono, real = struct.unpack("<QQQ", frame[1])
            seen.append(token)
            assert before <= mono <= time.monotonic_ns()
            assert abs(real - time.time_ns()) < 3_000_000_000
    assert seen == [7, 8, 2**64 - 1]
    assert tail.end() == 0


@pytest.mark.parametrize(
    ("content", "offset"), [(None, 0), (b"", 0), (b"x" * 500, 0), (b"CSWSPOOL" + bytes(100), 0), (b"golden", 10**9)]
)
def test_what_is_no_spool_is_said_in_words(bundle: Path, content: bytes | None, offset: int) -> None:
    spool = bundle / "spool"
    if content is not None:
        spool.write_bytes(GOLDEN.read_bytes() if content == b"golden" else content)
    tail = Tail(bundle, spool, offset)
    frame = tail.frame()
    assert frame is not None
    assert frame[0] == b"X"
    assert str(spool) in frame[1].decode() or b"shorter" in frame[1]
    assert tail.frame() is None
    assert tail.end() == 1


def test_a_broken_pipe_ends_the_tail(bundle: Path) -> None:
    spool = bundle / "spool"
    shutil.copy(GOLDEN, spool)
    tail = Tail(bundle, spool, 0)
    assert tail.process.stdout is not None
    tail.process.stdout.close()
    assert tail.process.wait(timeout=3) == 0
    assert tail.process.stdin is not None
    tail.process.stdin.close()


def test_check_says_what_this_vantage_can_do(bundle: Path) -> None:
    out = subprocess.run(
        [sys.executable, "-m", "csw_probe", "check"],
        env=environment(bundle),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert out.count("\n") == 1
    said = json.loads(out)
    assert set(said) == {
        *("python", "packet_socket", "raw_socket", "ping_socket", "user", "uid", "scapy"),
        *("default_gateway", "interface", "boot_id"),
    }
    assert said["uid"] == os.getuid()
    assert said["scapy"] == (bundle / "scapy" / "VERSION").read_text().strip()


def test_tail_stop_and_check_load_no_scapy_and_little_else(bundle: Path) -> None:
    code = "import sys, csw_probe.__main__, csw_probe.tail, csw_probe.watch; print(*sys.modules)"
    words = [sys.executable, "-S", "-c", code]
    loaded = subprocess.run(words, env=environment(bundle), check=True, capture_output=True, text=True).stdout.split()
    assert not {"scapy", "json", "socket", "argparse", "ctypes", "re"} & set(loaded)
    code = "import sys, csw_probe.check; sys.exit('scapy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], env=environment(bundle), check=True)


@pytest.mark.parametrize(
    "words", [[], ["fly"], ["run"], ["tail", "--spool", "x"], ["tail", "--offset", "-1", "--spool", "x"]]
)
def test_wrong_words_print_the_usage(bundle: Path, words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "csw_probe", *words],
        env=environment(bundle),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_file_speaks_python_3_7_and_names_its_licence(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# SPDX-License-Identifier: GPL-2.0-only\n")
    tree = ast.parse(text, feature_version=(3, 7))
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert {name for name in imported if name.startswith("scapy")} <= {
        "scapy.config",
        "scapy.layers.inet",
        "scapy.layers.l2",
    }
