# SPDX-License-Identifier: Apache-2.0
"""How fast a run goes to the team's store and comes back, and what it takes there.

`python -m tests.bench.bench_store [--full]`. A PostgreSQL server of its own on a Unix socket (fsync off: the disk is
not what is measured), a run of 50 vantages of ten lanes at 10 Hz.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from csworkbench.recording.folder_store import FolderStore
from csworkbench.recording.library import RunFolder
from csworkbench.recording.postgres_store import PostgresStore
from csworkbench.recording.store import carry
from csworkbench.results.run_result import load_result
from csworkbench.results.summary import summarise
from tests.store.server import Server, binaries

from .bench_metrics import HZ, LANES, Engine

RUN = "20261120-140311-bench"


def main() -> int:
    """Print the figures; 1 when the run that came back is not the one that went."""
    seconds = 600 if "--full" in sys.argv else 60
    found = binaries()
    if found is None:
        print("bench_store: needs PostgreSQL (apt-get install postgresql)", file=sys.stderr)
        return 3
    server = Server(found)
    server.up()
    try:
        with tempfile.TemporaryDirectory() as name:
            return _measure(Path(name), server, seconds)
    finally:
        server.down()


def _measure(base: Path, server: Server, seconds: int) -> int:
    folder = RunFolder(base / "here" / RUN)
    folder.path.mkdir(parents=True)
    engine = Engine(folder.path)
    for _ in range(seconds):
        engine.second()
    engine.writer.close()
    samples = LANES * HZ * seconds
    database = server.database()
    here, there, store = (
        FolderStore(base / "here"),
        FolderStore(base / "there"),
        PostgresStore(server.address(database)),
    )
    began = time.perf_counter()
    carry(here, RUN, store)
    sent_s = time.perf_counter() - began
    began = time.perf_counter()
    carry(here, RUN, store)
    again_s = time.perf_counter() - began
    began = time.perf_counter()
    carry(store, RUN, there)
    back_s = time.perf_counter() - began
    (size,) = server.execute("SELECT pg_database_size(current_database())", database)[0]
    store.close()
    print(f"{samples:,} samples of {LANES} lanes, {seconds} s at {HZ} Hz; the run file has {_mib(folder.file)} MiB")
    print(f"to the store: {samples / sent_s:,.0f} samples/s, {sent_s / seconds * 100:.0f} % of the run's time")
    print(f"again, when it is there: {again_s * 1e3:.0f} ms")
    print(f"back: {samples / back_s:,.0f} samples/s")
    print(f"in the database: {int(str(size)) / samples:.0f} bytes a sample")
    same = summarise(load_result(folder.file)) == summarise(load_result(RunFolder(base / "there" / RUN).file))
    print("the summaries are equal" if same else "VIOLATED: the summaries differ")
    return 0 if same else 1


def _mib(path: Path) -> int:
    return path.stat().st_size >> 20


if __name__ == "__main__":
    raise SystemExit(main())
