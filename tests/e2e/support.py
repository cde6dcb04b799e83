# SPDX-License-Identifier: Apache-2.0
"""The command line as a user runs it, against the real test cloud."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "samples" / "scenarios"
COMMAND = (sys.executable, "-m", "csworkbench")


def csworkbench(
    *words: str, timeout: float = 170, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, without a terminal."""
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False,
        env={**os.environ, **(env or {})}, cwd=ROOT,
    )  # fmt: skip


@contextmanager
def lab(*options: str) -> Iterator[dict[str, Any]]:
    """A test cloud in the test's own state directory (CSWORKBENCH_LAB_DIR); gone at the end."""
    up = csworkbench("lab", "up", "--json", *options)
    assert up.returncode == 0, up.stderr
    try:
        yield json.loads(up.stdout)
    finally:
        down = csworkbench("lab", "down")
        assert down.returncode == 0, down.stderr


def scenario(tmp_path: Path, name: str = "parallel-restart", **changes: str) -> Path:
    """A sample scenario with whole lines replaced by key, e.g. network="network: nowhere"."""
    lines = (SCENARIOS / f"{name}.yaml").read_text().splitlines()
    for key, line in changes.items():
        at = next(i for i, text in enumerate(lines) if text.lstrip().startswith(f"{key}:"))
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        lines[at] = indent + line
    path = tmp_path / f"{name}.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def processes_of(folder: Path) -> list[str]:
    """Command lines of processes that mention a folder: what a run may have left behind."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(folder) in words and "pytest" not in words:
            found.append(words)
    return found
