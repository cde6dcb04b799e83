# SPDX-License-Identifier: Apache-2.0
"""Finding one network by name or id."""

import difflib
import re
from contextlib import suppress

from .client import Client, Value
from .envelope import Row, string
from .errors import AmbiguousNetwork, BadParameter, CloudStackError, UnknownNetwork
from .text import one_line

ALL_PROJECTS = "-1"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


async def find_network(client: Client, name_or_id: str) -> Row:
    """The listNetworks row with exactly this id or name, in any account or project.

    Raises UnknownNetwork, naming close matches, AmbiguousNetwork, listing the ids, or CloudStackError.
    """
    wanted = name_or_id.strip()
    if _UUID.fullmatch(wanted) and (row := await _by_id(client, wanted)):
        return row
    by_name = "name" if (await client.capabilities()).has_param("listNetworks", "name") else "keyword"
    narrowed = await _listed(client, **{by_name: wanted}) if wanted else []
    matches = [row for row in narrowed if string(row.get("name")) == wanted]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise _ambiguous(wanted, matches)
    raise await _unknown(client, wanted)


async def _by_id(client: Client, wanted: str) -> Row | None:
    for project, harmless in ((None, BadParameter), (ALL_PROJECTS, CloudStackError)):
        with suppress(harmless):
            for row in await client.list_all("listNetworks", "network", id=wanted, projectid=project):
                if string(row.get("id")).lower() == wanted.lower():
                    return row
    return None


async def _listed(client: Client, **params: Value) -> list[Row]:
    found = await client.list_all("listNetworks", "network", **params)
    try:
        in_projects = await client.list_all("listNetworks", "network", **{**params, "projectid": ALL_PROJECTS})
    except CloudStackError:
        if not found:
            raise
        return found
    known = {row.get("id") for row in found}
    return found + [row for row in in_projects if row.get("id") not in known]


def _ambiguous(wanted: str, matches: list[Row]) -> AmbiguousNetwork:
    owners = (f"{one_line(row.get('id'), 40)} ({_owner(row)})" for row in matches[:5])
    more = ", …" if len(matches) > 5 else ""
    text = f"{len(matches)} networks are called {one_line(wanted, 60)}: {', '.join(owners)}{more}"
    return AmbiguousNetwork("listNetworks", text, hint="Write the id in place of the name.")


def _owner(row: Row) -> str:
    return one_line(row.get("project") or row.get("account") or row.get("zonename") or "?", 40)


async def _unknown(client: Client, wanted: str) -> UnknownNetwork:
    names = sorted({string(row.get("name"), 100) for row in await _listed(client)} - {""})
    by_folded = {name.casefold(): name for name in names}
    near = [by_folded[n] for n in difflib.get_close_matches(wanted.casefold(), by_folded, n=3, cutoff=0.5)]
    if near:
        hint = f"Did you mean {' or '.join(one_line(n, 60) for n in near)}?"
    elif names:
        hint = f"This key sees {', '.join(one_line(n, 40) for n in names[:5])}{', …' if len(names) > 5 else ''}."
    else:
        hint = "This key sees no network at all: check whose key it is."
    return UnknownNetwork("listNetworks", f"no network is called {one_line(wanted, 60)}", hint=hint)
