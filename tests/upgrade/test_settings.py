# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.upgrade.settings import BadSnapshot, read_snapshot, snapshot, to_restore, watched

from .fleets import SettingSeen, fleet

SEEN = (
    SettingSeen("network.rolling.restart", "true"),
    SettingSeen("router.health.checks.failures.to.recreate.vr", "", ""),
    SettingSeen("router.health.checks.failures.to.recreate.vr", "dhcp_check.py", "zone-id"),
    SettingSeen("network.loadbalancer.haproxy.stats.auth", "admin1:AdMiN123"),
    SettingSeen("ldap.bind.password", "x"),
    SettingSeen("account.cleanup.interval", "86400"),
)


def kept(text: str) -> tuple[SettingSeen, ...]:
    return read_snapshot(text).settings


def test_a_snapshot_comes_back_and_has_no_secret() -> None:
    found = fleet(settings=SEEN)
    text = snapshot(found, cloud="lab", endpoint="http://x/client/api", taken="2026-11-20T12:00:00+00:00")
    assert set(kept(text)) == set(watched(found)) == set(SEEN[:3])
    assert "AdMiN" not in text
    assert to_restore(kept(text), found) == ()


def test_only_what_changed_is_set_back() -> None:
    text = snapshot(fleet(settings=SEEN), cloud="lab", endpoint="e", taken="t")
    now = (SettingSeen("network.rolling.restart", "false"), SEEN[1], SettingSeen(SEEN[2].name, "", "zone-id"))
    assert to_restore(kept(text), fleet(settings=now)) == (SEEN[0], SEEN[2])
    assert to_restore(kept(text), fleet(settings=())) == ()


@pytest.mark.parametrize("text", ["[]", "{", '{"format": "x"}', '{"format": "csworkbench settings 1"}', "[" * 100_000])
def test_what_is_no_snapshot(text: str) -> None:
    with pytest.raises(BadSnapshot):
        read_snapshot(text)


@given(st.lists(st.builds(SettingSeen, st.sampled_from(["router.a", "network.b"]), st.text(), st.text(max_size=3))))
def test_any_value_survives(settings: list[SettingSeen]) -> None:
    found = fleet(settings=tuple(settings))
    text = snapshot(found, cloud="c", endpoint="e", taken="t")
    text.encode("utf-8", "surrogatepass")
    assert kept(text) == watched(found)
