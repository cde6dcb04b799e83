# SPDX-License-Identifier: Apache-2.0
"""The question at the terminal before an operation."""

import asyncio

import pytest

from csworkbench.cli import compose
from csworkbench.engine.prepared import NotPrepared
from csworkbench.model.event import OperationPlanned

PLAIN = OperationPlanned("reboot router r-6-VM", "r-6-VM", "It goes away.", ("rebootRouter id=1",))
FINAL = OperationPlanned("destroy router r-6-VM", "r-6-VM", "It goes.", ("destroyRouter id=1",), True, "r-6-VM")


@pytest.mark.parametrize(
    ("planned", "typed", "agreed"),
    [
        (PLAIN, "y\n", True), (PLAIN, "r-6-VM\n", False), (PLAIN, "\n", False),
        (FINAL, "r-6-VM\n", True), (FINAL, "y\n", False), (FINAL, "yes\n", False), (FINAL, "r-6-V\n", False),
        (FINAL, "", False),
    ],
)  # fmt: skip
def test_what_cannot_be_undone_needs_its_name(
    planned: OperationPlanned,
    typed: str,
    agreed: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def line() -> str:
        return typed.strip()

    monkeypatch.setattr(compose, "typed_line", line)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    if agreed:
        asyncio.run(compose._ask(planned))
    else:
        with pytest.raises(NotPrepared, match="nothing was done"):
            asyncio.run(compose._ask(planned))
    shown = capsys.readouterr().err
    assert planned.calls[0] in shown
    assert ("Type r-6-VM to go ahead" in shown) is planned.destructive
