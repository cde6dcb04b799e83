# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server of the tests' own, from the Debian package: a Unix socket in a temporary folder, no port.

Started as root it runs as `postgres` or `nobody`, as the server refuses root. It goes when the tests do, however they
end.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

PACKAGE = "postgresql"
DATABASE = "team"
PORT = 5432  # of the socket's name; nothing listens on a network
_SETTINGS = {
    "listen_addresses": "", "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
    "max_connections": "40", "shared_buffers": "32MB", "autovacuum": "off", "log_min_messages": "fatal",
}  # fmt: skip


def binaries() -> Path | None:
    """The folder of initdb and postgres, of the newest release that is installed."""
    found = [p.parent for p in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda p: int(p.parent.name) if p.parent.name.isdigit() else 0)
    word = shutil.which("initdb")
    return Path(word).resolve().parent if word else None


def _account() -> pwd.struct_passwd | None:
    if os.geteuid():
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("no account to run PostgreSQL with: neither `postgres` nor `nobody`")


class Server:
    """`up`, then `database()` for an empty database, `down` at the end."""

    def __init__(self, bin_folder: Path) -> None:
        self._bin, self._made = bin_folder, False
        self.folder = Path(tempfile.mkdtemp(prefix="csw-pg-", dir="/tmp"))  # a socket's path has 107 bytes
        self._process: subprocess.Popen[bytes] | None = None
        account = _account()
        self.user = account.pw_name if account else pwd.getpwuid(os.geteuid()).pw_name
        self._identity = [] if account is None else [
            f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups",
        ]  # fmt: skip
        if account is not None:
            os.chown(self.folder, account.pw_uid, account.pw_gid)

    def up(self) -> None:
        """Make the cluster and start the server."""
        try:
            words = [str(self._bin / "initdb"), "-D", str(self.folder / "data"), "-A", "trust", "-U", "team"]
            self._run([*words, "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"])
            self.start()
        except BaseException:
            self.down()
            raise

    def start(self) -> None:
        """Start the server on the cluster that is there and wait until it answers."""
        settings = [word for key, value in _SETTINGS.items() for word in ("-c", f"{key}={value}")]
        words = [str(self._bin / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder), *settings]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig=QUIT", *self._identity, "--", *words],
                cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        end = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.address("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()}") from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

    def address(self, database: str, user: str = "team") -> str:
        """Of a database there."""
        return f"postgresql://{user}@/{database}?host={self.folder}&port={PORT}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """One statement as the owner."""
        with psycopg.connect(self.address(database), autocommit=True) as db:
            cursor = db.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def database(self) -> str:
        """An empty one; its name. It is the same each time, emptied: a new one is 300 files to make and to remove."""
        if not self._made:
            self.execute(f"CREATE DATABASE {DATABASE}")
            self._made = True
        self.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{DATABASE}'"
            " AND pid <> pg_backend_pid()"
        )
        self.execute("DROP SCHEMA IF EXISTS csworkbench CASCADE", DATABASE)
        return DATABASE

    def down(self) -> None:
        """Stop the server and remove all of it."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, words: list[str]) -> None:
        done = subprocess.run(
            ["setpriv", *self._identity, "--", *words] if self._identity else words,
            cwd="/", check=False, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{words[0]}: {done.stderr}")
