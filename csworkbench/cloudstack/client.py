# SPDX-License-Identifier: Apache-2.0
"""One management server, as the rest of the workbench uses it."""

import asyncio
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from csworkbench.model.protocols import Journal

from .budget import RateBudget
from .clock import ServerClockBounds
from .credentials import Credentials
from .discovery import Capabilities, read_capabilities
from .envelope import Row
from .known import KnownCall
from .login import Login
from .paging import all_rows
from .transport import Reply, Surroundings, Transport

Value = str | int | bool | None


class Client:
    """Signed calls, or those of a login; lists and discovery. At most 5 calls a second, each one in the journal.

    `async with Client(credentials, journal=journal) as client: …`. All methods raise CloudStackError.
    """

    def __init__(
        self,
        credentials: Credentials | Login,
        *,
        journal: Journal,
        around: Surroundings | None = None,
        read_only: bool = False,
        known: Iterable[KnownCall] = (),
    ) -> None:
        """`known`: changes that an earlier engine of the run sent; operations go on with these, and send them never."""
        self.around = around or Surroundings()
        self.known = list(known)
        self._budget = self.around.slots or RateBudget(
            self.around.clock_ns, self.around.sleep, self.around.calls_per_second
        )
        self._transport = Transport(credentials, journal, self.around, self._budget, read_only=read_only)
        self._capabilities: Capabilities | None = None
        self._discovering = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.close()

    @property
    def endpoint(self) -> str:
        """Where the server's API answers."""
        return self._transport.endpoint

    @property
    def read_only(self) -> bool:
        """True when calls that change something are refused here, with ReadOnly, before they are sent."""
        return self._transport.read_only

    @property
    def server_clock(self) -> ServerClockBounds:
        """Bounds on the server's clock against our CLOCK_MONOTONIC."""
        return self._transport.clock

    async def call(self, command: str, /, **params: Value) -> Row:
        """The payload of one call. Booleans are sent as `true` and `false`, None is left out."""
        return (await self.exchange(command, params)).payload

    async def exchange(
        self, command: str, params: Mapping[str, Value], *, retry: bool = True, timeout_s: float | None = None
    ) -> Reply:
        """As `call`, with the stamps of sending and arrival; `retry=False` leaves repeating to the caller."""
        return await self._transport.call(command, written(params), retry=retry, timeout_s=timeout_s)

    async def list_all(self, command: str, object_key: str, /, **params: Value) -> list[Row]:
        """Every row of a list command, in all accounts (`listall=true`) unless the caller says otherwise."""

        async def fetch(page: Mapping[str, str]) -> Row:
            return (await self._transport.call(command, page)).payload

        return await all_rows(command, object_key, fetch, written({"listall": True} | params))

    async def capabilities(self) -> Capabilities:
        """What the server offers; asked once. A throttled server slows this client down accordingly."""
        async with self._discovering:
            if self._capabilities is None:
                apis = await self.call("listApis")
                self._capabilities = read_capabilities(apis, await self.call("listCapabilities"))
                if self._capabilities.limit is not None:
                    self._budget.respect(*self._capabilities.limit)
            return self._capabilities


def written(params: Mapping[str, Value]) -> dict[str, str]:
    """Parameter values as the API wants them."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in params.items()
        if value is not None
    }
