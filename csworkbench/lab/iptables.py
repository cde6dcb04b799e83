# SPDX-License-Identifier: Apache-2.0
"""Tables in the form that iptables-restore reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MANGLE_CHAINS = dict.fromkeys(("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"), "ACCEPT")
NAT_CHAINS = dict.fromkeys(("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"), "ACCEPT")
FILTER_CHAINS = {"INPUT": "DROP", "FORWARD": "DROP", "OUTPUT": "ACCEPT"}
"""The kernel's own chains with a router's policies."""


def table(name: str, chains: Mapping[str, str], rules: Sequence[str]) -> str:
    """A whole table; `chains` are names with policies, `-` for a chain that has none."""
    heads = [f":{chain} {policy} [0:0]" for chain, policy in chains.items()]
    return "\n".join([f"*{name}", *heads, *rules, "COMMIT", ""])
