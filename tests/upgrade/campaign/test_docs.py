# SPDX-License-Identifier: Apache-2.0
"""docs/campaign.md has every key and every column. `python -m tests.upgrade.campaign.test_docs` writes the columns."""

import re
from pathlib import Path

from csworkbench.config.campaign_file import (
    CANARY_KEYS,
    CAPS_KEYS,
    KEYS,
    SELECT_KEYS,
    STOP_KEYS,
    WINDOW_KEYS,
    load_campaign,
)
from csworkbench.results.campaign import CAMPAIGN
from csworkbench.upgrade.campaign import Caps, Status, Unmeasured
from csworkbench.upgrade.campaign.commands import COMMANDS
from csworkbench.upgrade.campaign.plan import CALLS_PER_SECOND, KINDS, NEEDS
from csworkbench.upgrade.campaign.window import DAYS

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "campaign.md"
_BETWEEN = re.compile(r"(<!-- columns: [^\n]*-->\n).*?(<!-- end -->)", re.DOTALL)


def words() -> set[str]:
    """Everything that the page sets in code type."""
    text = re.sub(r"^```.*?^```", "", PAGE.read_text(), flags=re.M | re.S)
    return {word for code in re.findall(r"`([^`]+)`", text) for word in re.findall(r"[A-Za-z_][A-Za-z_0-9-]*", code)}


def columns() -> str:
    """Those of the services."""
    return ", ".join(f"`{name}`" for name in CAMPAIGN[CAMPAIGN.index("why") + 1 :]) + "\n"


def test_every_key_is_documented() -> None:
    keys = {*KEYS, *SELECT_KEYS, *CANARY_KEYS, *CAPS_KEYS, *STOP_KEYS, *WINDOW_KEYS}
    assert keys - words() == set()
    assert {*NEEDS, *KINDS, *Unmeasured, *COMMANDS, DAYS[0], DAYS[-1]} - words() == set()


def test_every_column_and_state_is_documented() -> None:
    assert set(CAMPAIGN) - words() == set()
    found = _BETWEEN.search(PAGE.read_text())
    assert found is not None
    assert found[0] == f"{found[1]}{columns()}{found[2]}"
    assert all(str(status) in PAGE.read_text() for status in Status)


def test_defaults_are_those_of_the_code(tmp_path: Path) -> None:
    text = PAGE.read_text()
    assert f"| `calls_per_second` | {CALLS_PER_SECOND} |" in text
    assert f"| `caps` | `{{total: {Caps().total}}}` |" in text
    (tmp_path / "p.yaml").write_text("name: x\n")
    plan = load_campaign(tmp_path / "p.yaml")
    assert (plan.retries, plan.canary.size, plan.waves, plan.without_vantages) == (0, 1, ("rest",), "skip")


if __name__ == "__main__":
    PAGE.write_text(_BETWEEN.sub(lambda m: f"{m[1]}{columns()}{m[2]}", PAGE.read_text()))
