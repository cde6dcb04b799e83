# SPDX-License-Identifier: Apache-2.0
"""The processes that go along with a run: one copies it to the team's store, one serves its metrics.

Neither is the engine's: they only read the run file, so whatever becomes of them, the measurement is not disturbed.
"""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from csworkbench.config import ConfigError
from csworkbench.config.store import VARIABLE
from csworkbench.recording.library import RunFolder

from .common import fail
from .listen import BadListen, listening
from .own_command import own_command
from .team import Decorator, address_to_publish

PUBLISHER_WAIT_S = 10.0
META = "csworkbench.exporter"
PUBLISHERS = "csworkbench.publishers"


@contextmanager
def company(folder: RunFolder) -> Iterator[None]:
    """While a run in that folder goes on. A publisher ends by itself; it is waited for when the command ends."""
    exporter = current_exporter()
    if exporter is not None:
        exporter.follow(folder)
    try:
        address = address_to_publish()
    except ConfigError as error:
        click.echo(f"csworkbench: {error}: the run is not published", err=True)
        address = ""
    if not address:
        yield
        return
    process = subprocess.Popen(
        own_command("publish", str(folder.path)),
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True, env={**os.environ, VARIABLE: address},
    )  # fmt: skip
    try:
        yield
    finally:
        _close(process)
        _wait_later(folder.name, process)


def _wait_later(name: str, process: "subprocess.Popen[bytes]") -> None:
    """A run that follows, or the result, is not held up by a store that does not answer."""
    context = click.get_current_context()
    if PUBLISHERS not in context.meta:
        context.meta[PUBLISHERS] = []
        context.call_on_close(lambda: _wait_for(context.meta[PUBLISHERS]))
    context.meta[PUBLISHERS].append((name, process))


def _wait_for(publishers: "list[tuple[str, subprocess.Popen[bytes]]]") -> None:
    end = time.monotonic() + PUBLISHER_WAIT_S
    for name, process in publishers:
        try:
            process.wait(max(end - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            click.echo(
                f"csworkbench: {name} is still being published; `csworkbench push {name}` says how it stands", err=True
            )


class Exporter:
    """The process that serves metrics, for all runs of one command."""

    def __init__(self, address: str) -> None:
        self._socket = listening(address)
        self._process: subprocess.Popen[bytes] | None = None
        host, port = self._socket.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"

    def follow(self, folder: RunFolder) -> None:
        """Serve this run from now on."""
        if self._process is None:
            number = self._socket.fileno()
            self._process = subprocess.Popen(
                own_command("exporter", str(number)),
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=(number,), start_new_session=True,
            )  # fmt: skip
            self._socket.close()  # of an exporter that died a scraper is told at once
            click.echo(f"metrics: {self.url}", err=True)
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for
        with contextlib.suppress(OSError):  # it died: the run goes on without it
            self._process.stdin.write(os.fsencode(folder.path) + b"\n")
            self._process.stdin.flush()

    def close(self) -> None:
        """No more runs. It stays for one more scrape when somebody scrapes; Ctrl-C ends that too."""
        self._socket.close()
        if self._process is None:
            return
        _close(self._process)
        try:
            self._process.wait()
        except KeyboardInterrupt:
            self._process.kill()
            self._process.wait()
            raise


def _close(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


def current_exporter() -> Exporter | None:
    """The one that `--metrics` asked for."""
    context = click.get_current_context(silent=True)
    found = context.meta.get(META) if context is not None else None
    return found if isinstance(found, Exporter) else None


def _metrics(context: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is None:
        return
    try:
        exporter = Exporter(value)
    except BadListen as error:
        fail(str(error), 2)
    except OSError as error:
        fail(f"metrics cannot be served at {value}: {error.strerror or error}; choose another port", 2)
    context.meta[META] = exporter
    context.call_on_close(exporter.close)


metrics_option: Decorator = click.option(
    "--metrics", metavar="[ADDR:]PORT", callback=_metrics, expose_value=False,
    help="Serve Prometheus metrics there while it goes on; on 127.0.0.1 unless ADDR is given.",
)  # fmt: skip
