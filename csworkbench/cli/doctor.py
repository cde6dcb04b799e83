# SPDX-License-Identifier: Apache-2.0
"""`doctor`: what this machine can do, and what to install or allow."""

import json
import socket
import sys

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def doctor(as_json: bool) -> None:
    """Check this machine: can it run the test cloud, and raw probers? Ends with 1 when something is missing."""
    from csworkbench.lab.capability import check

    checks = [(c.name, c.ok, c.detail, c.remedy) for c in check()]
    checks += [_python(), _raw_sockets(), _scapy()]
    if as_json:
        keys = ("name", "ok", "detail", "remedy")
        click.echo(json.dumps([dict(zip(keys, c, strict=True)) for c in checks], indent=2))
    else:
        for name, ok, detail, remedy in checks:
            click.echo(f"{'ok     ' if ok else 'MISSING'}  {name:<28} {detail}")
            if not ok and remedy:
                click.echo(f"{'':<9}{'':<28} -> {remedy}")
    raise SystemExit(0 if all(c[1] for c in checks if c[0] != RAW) else 1)


RAW = "raw sockets on this host"


def _python() -> tuple[str, bool, str, str]:
    version = ".".join(map(str, sys.version_info[:3]))
    return "Python 3.11 or newer", sys.version_info >= (3, 11), version, "install Python 3.11"


def _raw_sockets() -> tuple[str, bool, str, str]:
    """Only a probing vantage on this very host needs them, so this one is no failure."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    except PermissionError:
        remedy = "needed only to probe from this host (`outside: {at: local}` on a real cloud): run as root"
        return RAW, False, "not permitted", remedy
    return RAW, True, "permitted", ""


def _scapy() -> tuple[str, bool, str, str]:
    from csworkbench.probing.bundle import build_bundle

    try:
        bundle = build_bundle()
    except OSError as error:
        return "probe program and scapy", False, str(error), "run `make setup`"
    return "probe program and scapy", True, f"bundle {bundle.digest}, {len(bundle.archive) >> 10} KiB", ""
