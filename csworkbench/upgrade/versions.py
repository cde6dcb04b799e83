# SPDX-License-Identifier: Apache-2.0
"""Versions as CloudStack writes them: `4.22.0`, `4.22.0.0`, `4.22.0.0-SNAPSHOT`, `systemvm-kvm-4.22.0-x86_64`."""

import re

Version = tuple[int, int, int]
"""Major, minor, patch: a template's version has no fourth number."""

_VERSION = re.compile(r"(?<![\d.])(\d{1,3})\.(\d{1,4})(?:\.(\d{1,4}))?(?:\.\d{1,9})*")


def version_of(text: str) -> Version | None:
    """The first version in the text; None when there is none."""
    found = _VERSION.search(text[:200])
    return None if found is None else (int(found[1]), int(found[2]), int(found[3] or 0))


def same_release(one: str, other: str) -> bool:
    """Whether two code versions are the same release, all their numbers compared, missing ones taken as 0."""
    first, second = _numbers(one), _numbers(other)
    length = max(len(first), len(second))
    return first + (0,) * (length - len(first)) == second + (0,) * (length - len(second))


def _numbers(text: str) -> tuple[int, ...]:
    found = re.match(r"\d{1,9}(?:\.\d{1,9}){0,5}", text)
    return tuple(map(int, found.group().split("."))) if found else ()


def dotted(version: Version) -> str:
    """As people write it."""
    return ".".join(map(str, version))
