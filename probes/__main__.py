# SPDX-License-Identifier: GPL-2.0-only
"""Commands: run, stop, tail, check, calibrate. Each imports only what it needs: a tail starts in 20 ms."""

import sys

USAGE = """usage: python3 -m csw_probe run --plan PLAN --spool SPOOL [--detach]
       python3 -m csw_probe stop --spool SPOOL
       python3 -m csw_probe tail --spool SPOOL --offset N
       python3 -m csw_probe check
       python3 -m csw_probe calibrate --plan PLAN --ms N
"""
OPTIONS = {
    "run": ("--plan", "--spool"),
    "stop": ("--spool",),
    "tail": ("--spool", "--offset"),
    "check": (),
    "calibrate": ("--plan", "--ms"),
}


def parse(words):
    """(command, options), or None. By hand: argparse would be half of the tail's start-up."""
    if not words or words[0] not in OPTIONS:
        return None
    command, rest = words[0], list(words[1:])
    values = {}
    while rest:
        word = rest.pop(0)
        if word == "--detach" and command == "run":
            values[word] = True
        elif word in OPTIONS[command] and rest:
            values[word] = rest.pop(0)
        else:
            return None
    if any(name not in values for name in OPTIONS[command]):
        return None
    if not all(values.get(name, "0").isdigit() for name in ("--offset", "--ms")):
        return None
    return command, values


def perform(command, values):
    if command == "tail":
        from .tail import Tail

        return Tail(values["--spool"], int(values["--offset"])).run()
    if command == "stop":
        from .watch import stop

        return stop(values["--spool"])
    if command == "check":
        from .check import check

        return check()
    if command == "calibrate":
        from .calibrate import calibrate

        return calibrate(values["--plan"], int(values["--ms"]))
    from .run import run

    return run(values["--plan"], values["--spool"], "--detach" in values)


def main(words):
    parsed = parse(words)
    if parsed is None:
        sys.stderr.write(USAGE)
        return 2
    if sys.version_info < (3, 7):
        return fail("python", "Python %d.%d is too old: 3.7 or newer is needed" % sys.version_info[:2])
    from .errors import StartError

    try:
        return perform(*parsed)
    except StartError as error:
        return fail(error.code, error.line)


def fail(code, line):
    import json

    sys.stdout.write(json.dumps({"error": " ".join(line.split()), "code": code}) + "\n")
    sys.stdout.flush()
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
