# SPDX-License-Identifier: Apache-2.0
"""Signing and expiry, with the vectors of the reference page (checked there against Java)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from csworkbench.lab.api.signature import parse_time, sign, string_to_sign, unexpired, verifies

KEY, SECRET = "Lab-API-key_0001", "Lab-secret_0001"
NETWORK = "0f3b9d4e-6c1a-4f7b-9a53-2d8e7c61b0aa"
VECTORS = [
    (
        {"command": "listZones", "response": "json", "apiKey": KEY, "available": "true"},
        "apikey=lab-api-key_0001&available=true&command=listzones&response=json",
        "YIWAyhDxuUKI5E9Y7TcwiRtOHyc=",
    ),
    (
        {
            "command": "restartNetwork",
            "response": "json",
            "apiKey": KEY,
            "id": NETWORK,
            "cleanup": "true",
            "signatureVersion": "3",
            "expires": "2030-01-01T00:00:00+0000",
        },
        "apikey=lab-api-key_0001&cleanup=true&command=restartnetwork&expires=2030-01-01t00%3a00%3a00%2b0000"
        f"&id={NETWORK}&response=json&signatureversion=3",
        "3IBqZAeA0bBxNHbsAA8CT4oNtRc=",
    ),
    (
        {
            "command": "deployVirtualMachine",
            "response": "json",
            "apikey": KEY,
            "displayname": "Probe VM #1 ~ *a+b* (ü/é)",
            "details[0].cpuNumber": "2",
            "name": "probe-01",
            "empty": "",
        },
        "apikey=lab-api-key_0001&command=deployvirtualmachine&details[0].cpunumber=2"
        "&displayname=probe%20vm%20%231%20%7e%20*a%2bb*%20%28%c3%bc%2f%c3%a9%29&empty=&name=probe-01&response=json",
        "AUghErirAG8e4/r/SOJbRVOSHCk=",
    ),
    (
        {"command": "listVirtualMachines", "response": "json", "apiKey": KEY, "Name": "x", "keyword": "y", "_": "1"},
        "name=x&_=1&apikey=lab-api-key_0001&command=listvirtualmachines&keyword=y&response=json",
        "/EdvsnBx2njDl8FSE8yg+ydLQ2Y=",
    ),
]


@pytest.mark.parametrize(("parameters", "text", "signature"), VECTORS, ids=["plain", "expiring", "encoding", "order"])
def test_the_vectors_of_the_reference(parameters: dict[str, str], text: str, signature: str) -> None:
    assert string_to_sign(parameters) == text
    assert sign(parameters, SECRET) == signature
    assert verifies({**parameters, "signature": signature}, signature, SECRET)
    assert not verifies(parameters, signature, SECRET + "x")
    assert not verifies({**parameters, "command": "listHosts"}, signature, SECRET)


NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def expiring(text: str) -> dict[str, str]:
    return {"signatureVersion": "3", "expires": text}


def test_only_version_3_expires() -> None:
    assert unexpired({"expires": "2000-01-01T00:00:00+0000"}, NOW, iso=True)
    assert unexpired(expiring("2026-11-20T12:00:01+0000"), NOW, iso=True)
    assert unexpired(expiring("2026-11-20T17:30:01+0530"), NOW, iso=False)
    assert not unexpired(expiring("2026-11-20T11:59:59+0000"), NOW, iso=True)


@pytest.mark.parametrize("text", ["", "soon", "2027-01-01", "2027-01-01T00:00:00", "1e400"])
def test_an_expiry_that_cannot_be_read_is_no_expiry(text: str) -> None:
    assert not unexpired(expiring(text), NOW, iso=True)


@pytest.mark.parametrize("text", ["2027-01-01T00:00:00Z", "2027-01-01T00:00:00+00:00", "2027-01-01T00:00:00.123456Z"])
def test_iso_forms_came_with_4_12(text: str) -> None:
    assert unexpired(expiring(text), NOW, iso=True)
    assert not unexpired(expiring(text), NOW, iso=False)
    parsed = parse_time(text, iso=True)
    assert parsed is not None
    assert parsed - datetime(2027, 1, 1, tzinfo=UTC) < timedelta(seconds=1)
