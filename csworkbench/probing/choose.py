# SPDX-License-Identifier: Apache-2.0
"""Which program a vantage gets: the best that works there."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from csworkbench.model.tier import Tier

from .answers import Facts, facts, last_line
from .bundle import Bundle
from .program import HOME, Program, PythonProgram, ShellProgram
from .shell import Completed, Shell, ShellError

ALL_TIERS = tuple(Tier)
LOCAL_TIERS = (Tier.ROOT, Tier.USER)  # on a host of the operator's own nobody uses sudo unasked
NO_PYTHON = "no python"
_LOOK = f"python3 -c 'import sys; sys.exit(sys.version_info < (3, 7))' 2>/dev/null || echo '{NO_PYTHON}'"
_FRACTIONS, _NEEDED = "fractions", ("uptime", "ping")


@dataclass(frozen=True, slots=True)
class Chosen:
    """`program` runs there. `facts` says what its `check` found; `coarse`: only whole seconds between samples.

    `why_not_python`: why a Python that is there does not serve; empty when it does, or there is none.
    """

    program: Program
    facts: Facts
    coarse: bool = False
    why_not_python: str = ""

    @property
    def tier(self) -> Tier:
        """How much it may do there."""
        return self.program.tier


async def choose(name: str, shell: Shell, bundle: Bundle, tiers: Sequence[Tier] = ALL_TIERS) -> Chosen:
    """Push what is needed and find the best of these tiers. Raises ShellError that says why none works."""
    await _make_home(name, shell)
    look = await shell.run(_LOOK)
    if NO_PYTHON in look.out.splitlines():
        if Tier.SHELL not in tiers:
            raise ShellError(f"{name}: no Python 3.7 or newer there")
        return await _shell_agent(name, shell, "no Python 3.7 or newer there")
    try:
        return await _python(name, shell, bundle, tiers)
    except ShellError as error:  # no tar, no room for the bundle, half a Python
        if Tier.SHELL not in tiers:
            raise
        try:
            return replace(await _shell_agent(name, shell, ""), why_not_python=str(error))
        except ShellError:
            raise error from None


async def _python(name: str, shell: Shell, bundle: Bundle, tiers: Sequence[Tier]) -> Chosen:
    await _push(name, shell, bundle)
    found = facts(name, (await _check(name, shell, PythonProgram(bundle).script("check"))).out)
    if found.raw_socket:
        return Chosen(PythonProgram(bundle, Tier.ROOT), found)
    if Tier.SUDO in tiers:
        done = await shell.run(PythonProgram(bundle).script("check", sudo=True))
        if done.status == 0 and (better := facts(name, done.out)).raw_socket:
            return Chosen(PythonProgram(bundle, Tier.SUDO), better)
    if found.ping_socket or Tier.SHELL not in tiers:
        return Chosen(PythonProgram(bundle, Tier.USER), found)
    return await _shell_agent(
        name, shell, "neither raw nor datagram ICMP sockets there (root, sudo or net.ipv4.ping_group_range is needed)"
    )


async def _make_home(name: str, shell: Shell) -> None:
    made = await shell.run(f'umask 077; mkdir -p "$HOME/{HOME}"')
    if made.status:
        raise ShellError(f"{name}: cannot make a folder there: {last_line(made.err)}")


async def _push(name: str, shell: Shell, bundle: Bundle) -> None:
    """The bundle, unless that content is there."""
    digest = bundle.digest
    there = await shell.run(f'test -f "$HOME/{HOME}/{digest}/.complete"')
    if there.status == 0:
        return
    # Put and unpacked aside and moved in one step: two runs that push at once must not mix their files.
    part = f"{digest}.{secrets.token_hex(4)}.part"
    await shell.put(bundle.archive, f"{HOME}/{part}")
    unpack = (
        f'umask 077; cd "$HOME/{HOME}" && t=$(mktemp -d ./unpack.XXXXXX) && gzip -dc {part} | tar xf - -C "$t"'
        f' && : > "$t/.complete" && {{ mv "$t" {digest} 2>/dev/null || rm -rf "$t"; }}; rm -f {part};'
        f" test -f {digest}/.complete"
    )
    done = await shell.run(unpack, timeout_s=60)
    if done.status:
        raise ShellError(f"{name}: could not unpack the probe program: {last_line(done.err)}")


async def _check(name: str, shell: Shell, script: str) -> Completed:
    done = await shell.run(script)
    if done.status:
        raise ShellError(f"{name}: the probe program does not run there: {last_line(done.err or done.out)}")
    return done


async def _shell_agent(name: str, shell: Shell, why: str) -> Chosen:
    program = ShellProgram.load()
    await program.push(shell)
    can = (await shell.run(program.script("check"))).out.split()
    missing = [word for word in _NEEDED if word not in can]
    if missing:
        lacks = " and ".join(
            {"uptime": "/proc/uptime cannot be read", "ping": "ping does not work"}[m] for m in missing
        )
        raise ShellError(f"{name}: {why}, and {lacks}")
    return Chosen(program, Facts("", packet_socket=False, raw_socket=False, user=""), coarse=_FRACTIONS not in can)
