# SPDX-License-Identifier: Apache-2.0
import pytest

from csworkbench.cloudstack.discovery import Capabilities, read_capabilities

from .support import Bench, api


async def test_asked_once_and_told_apart(bench: Bench) -> None:
    bench.cloud.answers = {
        "listApis": {"count": 1, "api": [api("restartNetwork", "id", "cleanup", "livePatch", is_async=True)]},
        "listCapabilities": {"capability": {"cloudstackversion": "4.22.0.0", "apilimitmax": 5, "apilimitinterval": 2}},
    }
    found = await bench.client.capabilities()
    assert await bench.client.capabilities() is found
    assert len(bench.cloud.asked) == 2
    assert found.has("restartNetwork")
    assert not found.has("restartnetwork")
    assert found.has_param("restartNetwork", "livepatch")
    assert not found.has_param("restartNetwork", "makeredundant")
    assert not found.has_param("rebootRouter", "id")
    assert found.is_async("restartNetwork")
    assert (found.version, found.limit) == ("4.22.0.0", (5, 2))
    bench.cloud.answers["listZones"] = {}
    for _ in range(3):
        await bench.client.call("listZones")
    assert sum(bench.clock.slept) > 0.9  # 4 of the 5 calls in 2 s, spread


@pytest.mark.parametrize(
    ("version", "expected"),
    [("4.11.1.0", True), ("4.11.0.0", False), ("4.9.3", False), ("4.22.0.0-SNAPSHOT", True), ("", None), ("x", None)],
)
def test_versions(version: str, expected: bool | None) -> None:
    assert Capabilities(version=version).at_least(4, 11, 1) is expected


def test_a_server_that_tells_nothing() -> None:
    assert read_capabilities({}, {"capability": None}) == Capabilities()
