# SPDX-License-Identifier: Apache-2.0
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.cloudstack import errors
from csworkbench.cloudstack.envelope import parse, rows


def body(document: Any) -> bytes:
    return json.dumps(document).encode()


def test_rows_of_a_list_and_of_an_empty_one() -> None:
    payload = parse("listZones", 200, body({"listzonesresponse": {"count": 1, "zone": [{"id": "z"}, 5]}}))
    assert rows(payload, "zone") == [{"id": "z"}]
    assert rows(parse("listZones", 200, b'{"listzonesresponse":{}}'), "zone") == []
    assert parse("listZones", 200, b'{"listzonesresponse":null}') == {}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (401, errors.Unauthorized), (429, errors.RateLimited), (430, errors.BadParameter), (431, errors.BadParameter),
        (432, errors.Unsupported), (503, errors.Maintenance), (511, errors.TwoFactor), (530, errors.Internal),
        (531, errors.Account), (532, errors.Limit), (533, errors.Capacity), (534, errors.Unavailable),
        (535, errors.Allocation), (536, errors.InUse), (537, errors.Conflict), (400, errors.NotByPost),
        (405, errors.NotByPost), (599, errors.CloudStackError),
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["startrouterresponse", "errorresponse", "null"])
def test_each_code_has_its_class(code: int, kind: type[errors.CloudStackError], key: str) -> None:
    refusal = {"uuidList": [], "errorcode": code, "cserrorcode": 4350, "errortext": "no\n\x1b[2Jway"}
    with pytest.raises(errors.CloudStackError) as caught:
        parse("startRouter", code, body({key: refusal}))
    error = caught.value
    assert type(error) is kind
    assert (error.http_status, error.error_code, error.cs_error_code) == (code, code, 4350)
    assert str(error).startswith(f"startRouter ({code}): no \ufffd[2Jway. ")
    assert error.hint


def test_an_error_without_details() -> None:
    with pytest.raises(errors.BadParameter, match=r"x \(431\): no reason given"):
        parse("x", 431, b'{"xresponse":{"errorcode":431}}')


@pytest.mark.parametrize(
    ("status", "text", "says"),
    [
        (200, b"", "empty body"),
        (502, b"<html>Bad Gateway</html>", "not JSON: <html>Bad Gateway</html>"),
        (200, b"[1]", "not an object"),
        (200, b'{"a":{}}', "no key listzonesresponse"),
        (200, b'{"listzonesresponse":[1]}', "listzonesresponse is not an object"),
        (404, b'{"listzonesresponse":{}}', "HTTP 404 without a CloudStack error"),
        (200, b"[" * 100_000, "not JSON"),
        (200, b"\xff\xfe", "not JSON"),
    ],
)
def test_replies_that_are_not_cloudstacks(status: int, text: bytes, says: str) -> None:
    with pytest.raises(errors.BadReply) as caught:
        parse("listZones", status, text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert errors.worth_retrying(caught.value) is (status == 502)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, st.integers(100, 599), st.sampled_from(["listzonesresponse", "errorresponse", "null", "x"]))
def test_any_json_is_a_payload_or_a_typed_error(value: Any, status: int, key: str) -> None:
    try:
        assert isinstance(parse("listZones", status, body({key: value})), dict)
    except errors.CloudStackError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 1_000


def test_rate_limit_tells_how_long() -> None:
    assert errors.RateLimited("x", "The given user has reached their limit; wait 350 ms").wait_s == 0.35
    assert errors.RateLimited("x", "wait 999999 ms").wait_s == 10.0
    assert errors.RateLimited("x", "no").wait_s == 1.0
