# SPDX-License-Identifier: Apache-2.0
import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.cloudstack.errors import BadParameter, BadReply
from csworkbench.cloudstack.paging import all_rows

Row = dict[str, Any]


class Lists:
    """A list command; `shift` rows are inserted at the front after each page, as a log that grows does."""

    def __init__(self, n: int, maximum: int = 500, shift: int = 0) -> None:
        self.found = [{"id": str(i)} for i in range(n)]
        self.maximum = maximum
        self.shift = shift
        self.calls = 0

    async def fetch(self, params: Mapping[str, str]) -> Row:
        size, page = int(params["pagesize"]), int(params["page"])
        if size > self.maximum:
            text = f"Page size can't exceed max allowed page size value: {self.maximum}"
            raise BadParameter("listX", text, error_code=431)
        self.calls += 1
        part = self.found[(page - 1) * size : page * size]
        self.found = [{"id": f"new{self.calls}-{i}"} for i in range(self.shift)] + self.found
        return {"count": len(self.found), "x": part} if part else {}


@given(st.integers(0, 60), st.integers(1, 20), st.integers(1, 30))
def test_every_row_once(n: int, maximum: int, page_size: int) -> None:
    lists = Lists(n, maximum)
    found = asyncio.run(all_rows("listX", "x", lists.fetch, {}, page_size=page_size))
    assert [row["id"] for row in found] == [str(i) for i in range(n)]


@given(st.integers(0, 60), st.integers(2, 20), st.integers(0, 1))
def test_no_row_is_lost_or_doubled_while_the_list_grows(n: int, page_size: int, shift: int) -> None:
    lists = Lists(n, shift=shift)
    found = [row["id"] for row in asyncio.run(all_rows("listX", "x", lists.fetch, {}, page_size=page_size))]
    assert len(found) == len(set(found))
    assert {str(i) for i in range(n)} <= set(found)


async def test_a_server_that_repeats_itself_comes_to_an_end() -> None:
    calls = 0

    async def same(params: Mapping[str, str]) -> Row:
        nonlocal calls
        calls += 1
        return {"x": [{"id": "1"}, {"id": "2"}]}

    assert len(await all_rows("listX", "x", same, {}, page_size=2)) == 2
    assert calls == 2

    async def without_ids(params: Mapping[str, str]) -> Row:
        return {"x": [{"a": 1}, {"a": 2}]}

    assert len(await all_rows("listX", "x", without_ids, {}, page_size=2)) == 2


async def test_a_list_without_end_is_an_error() -> None:
    async def endless(params: Mapping[str, str]) -> Row:
        return {"x": [{"id": params["page"]}]}

    with pytest.raises(BadReply, match="does not end"):
        await all_rows("listX", "x", endless, {}, page_size=1)


async def test_another_431_is_passed_on() -> None:
    async def refuse(params: Mapping[str, str]) -> Row:
        raise BadParameter("listX", "Unable to find network", error_code=431)

    with pytest.raises(BadParameter, match="Unable to find"):
        await all_rows("listX", "x", refuse, {})
