# SPDX-License-Identifier: Apache-2.0
"""What goes to a vantage: reproducible, enough to run, and without scapy in this process."""

import io
import subprocess
import sys
import tarfile
from pathlib import Path

from csworkbench.probing.bundle import build_bundle


def test_the_same_content_has_the_same_name() -> None:
    first = build_bundle()
    build_bundle.cache_clear()
    assert build_bundle().digest == first.digest


def test_scapy_is_packed_but_not_imported() -> None:
    code = "import sys; from csworkbench.probing.bundle import build_bundle as b; b(); sys.exit('scapy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_bundle_runs_by_itself(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(build_bundle().archive)) as tar:
        tar.extractall(tmp_path, filter="data")
    (tmp_path / "home").mkdir()
    env = {"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin:/usr/sbin"}
    done = subprocess.run(
        [sys.executable, "-S", "-m", "csw_probe", "check"], env=env, capture_output=True, text=True, check=True
    )
    assert '"python"' in done.stdout
    code = "import csw_probe.packets, scapy; print(scapy.__file__)"
    done = subprocess.run([sys.executable, "-S", "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(tmp_path))
    assert list((tmp_path / "home").iterdir()) == []
