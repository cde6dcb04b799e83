# SPDX-License-Identifier: Apache-2.0
"""Section 10's vectors, and the `cs` package as an oracle."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest
from cs import CloudStack
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.cloudstack.credentials import Credentials
from csworkbench.cloudstack.signing import expires, parameter_name, signature, signed, string_to_sign, wire

from .support import KEY, SECRET

VECTORS = [
    (
        {"command": "listZones", "response": "json", "apiKey": KEY, "available": "true"},
        "apikey=lab-api-key_0001&available=true&command=listzones&response=json",
        "YIWAyhDxuUKI5E9Y7TcwiRtOHyc=",
        "YIWAyhDxuUKI5E9Y7TcwiRtOHyc%3D",
    ),
    (
        {
            "command": "restartNetwork", "response": "json", "apiKey": KEY, "cleanup": "true",
            "id": "0f3b9d4e-6c1a-4f7b-9a53-2d8e7c61b0aa", "signatureVersion": "3",
            "expires": "2030-01-01T00:00:00+0000",
        },
        "apikey=lab-api-key_0001&cleanup=true&command=restartnetwork&expires=2030-01-01t00%3a00%3a00%2b0000"
        "&id=0f3b9d4e-6c1a-4f7b-9a53-2d8e7c61b0aa&response=json&signatureversion=3",
        "3IBqZAeA0bBxNHbsAA8CT4oNtRc=",
        "3IBqZAeA0bBxNHbsAA8CT4oNtRc%3D",
    ),
    (
        {
            "command": "deployVirtualMachine", "response": "json", "apikey": KEY,
            "displayname": "Probe VM #1 ~ *a+b* (ü/é)", "details[0].cpuNumber": "2", "name": "probe-01", "empty": "",
        },
        "apikey=lab-api-key_0001&command=deployvirtualmachine&details[0].cpunumber=2&displayname=probe%20vm%20%231"
        "%20%7e%20*a%2bb*%20%28%c3%bc%2f%c3%a9%29&empty=&name=probe-01&response=json",
        "AUghErirAG8e4/r/SOJbRVOSHCk=",
        "AUghErirAG8e4%2Fr%2FSOJbRVOSHCk%3D",
    ),
    (
        {
            "command": "listVirtualMachines", "response": "json", "apiKey": KEY, "Name": "x", "keyword": "y", "_": "1",
        },
        "name=x&_=1&apikey=lab-api-key_0001&command=listvirtualmachines&keyword=y&response=json",
        "/EdvsnBx2njDl8FSE8yg+ydLQ2Y=",
        "%2FEdvsnBx2njDl8FSE8yg%2BydLQ2Y%3D",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("params", "text", "expected", "on_wire"), VECTORS)
def test_vectors(params: dict[str, str], text: str, expected: str, on_wire: str) -> None:
    assert string_to_sign(params) == text
    assert signature(params, SECRET) == expected
    assert wire({"signature": expected}) == f"signature={on_wire}"


names = st.from_regex(r"\A[a-z][a-z0-9]{0,8}(\[[0-9]\]\.[a-zA-Z]{1,6})?\Z")
values = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30) | st.text("~*+ %&=/ü日😀", max_size=10)


@given(st.dictionaries(names, values.filter(lambda v: "~" not in v), max_size=6))
def test_cs_agrees_where_it_is_right(params: dict[str, str]) -> None:
    data = dict(params)
    CloudStack("http://localhost/client/api", KEY, SECRET)._sign(data)  # type: ignore[no-untyped-call]
    assert data["signature"] == signature(params, SECRET)


@given(st.dictionaries(names, values, max_size=6))
def test_the_wire_gives_back_what_was_signed(params: dict[str, str]) -> None:
    credentials = Credentials("http://localhost/client/api", KEY, SECRET)
    reserved = {"command", "response", "apikey", "signature", "expires", "signatureversion"}
    params = {k: v for k, v in params.items() if k not in reserved}
    request = signed("listZones", params, credentials, 1_900_000_000.0)
    received = dict(parse_qsl(wire(request), keep_blank_values=True))
    assert received == request
    assert received["signature"] == signature(received, SECRET)


@given(st.text("~*+ aZ9", max_size=20))
def test_the_signature_covers_tilde_star_and_plus(value: str) -> None:
    expected = value.replace("+", "%2b").replace(" ", "%20").replace("~", "%7e").lower()
    assert string_to_sign({"name": value}) == f"name={expected}"


def test_what_is_always_sent() -> None:
    request = signed("listZones", {"Available": "true"}, Credentials("https://h", KEY, SECRET), 1_893_456_000.9)
    assert {k: v for k, v in request.items() if k != "signature"} == {
        "command": "listZones", "response": "json", "apikey": KEY, "available": "true", "signatureversion": "3",
        "expires": "2030-01-01T00:07:00+0000",
    }  # fmt: skip


def test_expires_stays_below_the_fifteen_minutes_of_enforcement() -> None:
    ahead = datetime.strptime(expires(0), "%Y-%m-%dT%H:%M:%S%z") - datetime.fromtimestamp(0, UTC)
    assert 60 < ahead.total_seconds() < 900


@pytest.mark.parametrize(
    ("name", "sent_as"),
    [("pageSize", "pagesize"), ("details[0].cpuNumber", "details[0].cpuNumber"), ("Tags[1].Key", "tags[1].Key")],
)
def test_names_are_lower_case_but_map_keys_are_not(name: str, sent_as: str) -> None:
    assert parameter_name(name) == sent_as


def test_no_parameter_twice() -> None:
    for name in ("Command", "signature", "expires"):
        with pytest.raises(ValueError, match="twice"):
            signed("listZones", {name: "x"}, Credentials("https://h", KEY, SECRET), 0.0)


def test_credentials_hide_key_and_secret() -> None:
    shown = repr(Credentials("https://cloud:8443", KEY, SECRET))
    assert KEY not in shown
    assert SECRET not in shown
    assert "https://cloud:8443/client/api" in shown


@pytest.mark.parametrize(
    "endpoint", ["cloud:8080", "ftp://x/", "http://", "http://me:pw@h/", "http://h/?a=b", "http://[x"]
)
def test_an_endpoint_that_is_none(endpoint: str) -> None:
    with pytest.raises(ValueError, match=r"endpoint"):
        Credentials(endpoint, KEY, SECRET)
