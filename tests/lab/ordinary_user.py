# SPDX-License-Identifier: Apache-2.0
"""Running the cloud as somebody who is not root, wherever this repository and its interpreter lie.

When the tests run as root, their own interpreter, packages and repository are bind-mounted where everybody may read,
in a mount namespace that ends with the command; then the identity is changed for good. Nothing of the machine changes.
"""

from __future__ import annotations

import os
import pwd
import shlex
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from tests.lab.support import LAB, REPOSITORY

USER = "games"
"""An account that Debian always has, that owns nothing, and that ssh-keygen can look up."""
_STAGE = "/mnt"


def identity() -> tuple[int, int]:
    """The uid and gid that the cloud will have."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    entry = pwd.getpwnam(USER)
    return entry.pw_uid, entry.pw_gid


def lab_prefix(home: Path, wrapper: str = "", words: Sequence[str] = LAB[1:]) -> tuple[str, ...]:
    """The words that run `csworkbench lab` as an ordinary user with that home; `wrapper`: shell words before it.

    `words`: what else to give the interpreter.
    """
    if os.geteuid() != 0:
        return ("sh", "-c", f'exec {wrapper} {shlex.join([sys.executable, *words])} "$@"', "lab")
    uid, gid = identity()
    python = f"{_STAGE}/python/bin/{Path(sys.executable).resolve().name}"
    places = {"python": sys.base_prefix, "packages": sysconfig.get_paths()["purelib"], "repository": str(REPOSITORY)}
    steps = [f"mount -t tmpfs -o mode=755 tmpfs {_STAGE}"]
    for name, source in places.items():
        steps.append(f"mkdir {_STAGE}/{name} && mount --bind {shlex.quote(source)} {_STAGE}/{name}")
    drop = f"setpriv --reuid {uid} --regid {gid} --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs"
    variables = f"HOME={shlex.quote(str(home))} PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1"
    # The interpreter's own libpython, where it has one: the machine's may be of another release.
    search = f"PYTHONPATH={_STAGE}/repository:{_STAGE}/packages LD_LIBRARY_PATH={_STAGE}/python/lib"
    steps.append(f'exec {drop} {wrapper} env -i {variables} {search} {python} {shlex.join(words)} "$@"')
    return ("unshare", "-m", "sh", "-c", " && ".join(steps), "lab")


WITHOUT_USER_NAMESPACES = (
    "unshare -U -c --keep-caps sh -c 'echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"' forbid"
)
"""A wrapper: a user namespace whose own limit of further ones is 0, as an administrator sets it on a machine."""
