# SPDX-License-Identifier: Apache-2.0
"""The command line as a process: fast starts, closed pipes, stopped terminals."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from csworkbench.cli import progress
from csworkbench.cli.progress import Printer
from csworkbench.model.event import Level, Notice, RunClosed
from csworkbench.recording.library import new_run, runs_dir
from csworkbench.recording.writer import RunFileWriter

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "csworkbench")
HEAVY = ("aiohttp", "asyncssh", "cryptography", "pydantic", "textual", "yaml", "scapy", "sqlite3")
ASK = """
import asyncio, signal
from csworkbench.cli.compose import _ask
from csworkbench.engine.prepared import NotPrepared
from csworkbench.model.event import OperationPlanned

async def main():
    task = asyncio.ensure_future(_ask(OperationPlanned("restart", "net", "it goes down", ("restartNetwork",))))
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
    try:
        await task
    except NotPrepared as error:
        print(error)
    except asyncio.CancelledError:
        print("cancelled")
    else:
        print("yes")

asyncio.run(main())
"""


@pytest.mark.parametrize("words", [["--help"], ["lab", "nc", "--help"]])
def test_what_starts_often_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        f"import sys\nfrom csworkbench.cli import main\nsys.argv = ['csworkbench', *{words!r}]\ntry:\n    main()\n"
        "except SystemExit:\n    print('imported', *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    imported = next(line for line in done.stderr.splitlines() if line.startswith("imported")).split()
    assert "csworkbench.cli" in imported
    assert [name for name in HEAVY if name in imported] == []


def test_a_workbench_on_a_run_starts_without_what_speaks_to_a_cloud() -> None:
    code = "import sys, csworkbench.cli.replay, csworkbench.cli.find, csworkbench.tui.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    imported = done.stdout.split()
    assert "textual" in imported
    heavy = ("aiohttp", "asyncssh", "numpy", "pydantic", "psycopg", "prometheus_client", "scipy")
    assert [name for name in heavy if name in imported] == []


def test_lab_nc_starts_in_150_ms() -> None:
    """It stands in ssh's ProxyCommand. Counted is the processor's time: this machine does other things too."""
    took = []
    for _ in range(10):
        before = os.times()
        subprocess.run([*COMMAND, "lab", "nc", "--help"], stdout=subprocess.DEVNULL, check=True, cwd=ROOT)
        after = os.times()
        took.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(took) < 0.15


def test_unknown_commands_and_none() -> None:
    bare = subprocess.run(COMMAND, capture_output=True, text=True, check=False, cwd=ROOT)
    assert "demo" in bare.stdout
    unknown = subprocess.run([*COMMAND, "rnu"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "engine" not in bare.stdout


def make_run(lines: int) -> None:
    folder = new_run("piped", runs_dir())
    writer = RunFileWriter(folder.file, {"run": folder.name})
    for number in range(lines):
        writer.write(Notice(Level.INFO, f"line {number}"))
    writer.write(RunClosed(0))
    writer.close()


@pytest.mark.parametrize("words", [["--help"], ["runs"], ["show", "--json"], ["attach", "--plain", "last"]])
def test_a_reader_that_leaves_ends_it_quietly(words: list[str]) -> None:
    make_run(3000)
    process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=20)
    assert process.returncode in (1, -signal.SIGPIPE)
    assert errors == ""


@pytest.mark.parametrize(("typed", "says"), [("y\n", "yes"), ("\n", "not confirmed"), (None, "cancelled")])
def test_the_question_can_be_answered_and_left(typed: str | None, says: str) -> None:
    """Ctrl-C at the question ends at once, without waiting for Enter."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ASK], stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    os.close(slave)
    assert process.stderr is not None
    said = b""
    while b"Go ahead?" not in said:
        said += os.read(process.stderr.fileno(), 1024)
    if typed is None:
        process.send_signal(signal.SIGINT)
    else:
        os.write(master, typed.encode())
    out, _ = process.communicate(timeout=10)
    os.close(master)
    assert says in out.decode()


def test_a_terminal_that_is_stopped_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-S, or a pager that nobody scrolls: a pipe that is never read."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stopped, monkeypatch.context() as patch:
        patch.setattr(progress, "LAST_LINES_S", 0.2)
        patch.setattr(sys, "stderr", stopped)
        printer = Printer()
        begun = time.monotonic()
        for number in range(20_000):
            printer(f"line {number} " + "x" * 100)
        printer.close()
        took = time.monotonic() - begun
        os.close(reading)  # lets the thread go
        printer._thread.join(10)
    assert took < 2
    assert not printer._thread.is_alive()
