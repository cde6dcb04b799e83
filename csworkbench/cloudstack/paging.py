# SPDX-License-Identifier: Apache-2.0
"""All rows of a list command, page by page (cloudstack-api.md 1.5)."""

import re
from collections.abc import Awaitable, Callable, Mapping

from .envelope import Row, rows
from .errors import BadParameter, BadReply

PAGE_SIZE = 500
MAX_PAGES = 1_000
_MAXIMUM = re.compile(r"page size.*?:\s*(\d{1,6})", re.IGNORECASE)

Fetch = Callable[[Mapping[str, str]], Awaitable[Row]]


async def all_rows(
    command: str, object_key: str, fetch: Fetch, params: Mapping[str, str], *, page_size: int = PAGE_SIZE
) -> list[Row]:
    """Every row once, in the server's order; rows with an `id` that came before are dropped.

    `fetch` makes one call. Uses the server's maximum page size when that is less than ours. Stops at a short or empty
    page, and at a page that brings nothing new. Raises what `fetch` raises, and BadReply after 1,000 pages.
    """
    found: list[Row] = []
    ids: set[str] = set()
    previous: list[Row] = []
    page = 1
    while page <= MAX_PAGES:
        try:
            payload = await fetch({**params, "page": str(page), "pagesize": str(page_size)})
        except BadParameter as error:
            smaller = _maximum(error.text)
            if page > 1 or not 0 < smaller < page_size:
                raise
            page_size = smaller
            continue
        got = rows(payload, object_key)
        new = [row for row in got if not _seen(row, ids)]
        if got == previous or (got and not new):
            break
        found += new
        previous = got
        if len(got) < page_size:
            break
        page += 1
    else:
        raise BadReply(command, f"the list does not end after {MAX_PAGES} pages", hint="Narrow the request.")
    return found


def _maximum(text: str) -> int:
    match = _MAXIMUM.search(text)
    return int(match.group(1)) if match else 0


def _seen(row: Row, ids: set[str]) -> bool:
    if "id" not in row:
        return False
    key = str(row["id"])
    if key in ids:
        return True
    ids.add(key)
    return False
