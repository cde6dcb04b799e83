# SPDX-License-Identifier: Apache-2.0
"""Every kind of event survives the way to the file, over the socket and back; nothing malformed gets further."""

import json
from dataclasses import fields
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from csworkbench.model import event as ev
from csworkbench.model.codec import CodecError, body_from_json, body_to_json, decode, encode, kind_of
from csworkbench.model.event import Body, Event
from csworkbench.model.sample import Outcome, Reason, Sample

KINDS = get_args(Body)
HOSTILE = st.text(st.characters() | st.sampled_from("\ud800\udfff\x00\x1b\u202e\n"), max_size=12)
NUMBER = st.integers(0, 2**63 - 1)
SAMPLE = st.builds(
    Sample, NUMBER, NUMBER, NUMBER, NUMBER, st.sampled_from(Outcome), st.sampled_from(Reason),
    st.integers(0, 65535), st.integers(0, 2**48 - 1),
)  # fmt: skip

st.register_type_strategy(Sample, SAMPLE)


def any_of(kind: type) -> st.SearchStrategy[Any]:
    """Bodies of that kind with hostile text in them."""
    st.register_type_strategy(str, HOSTILE)
    st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
    if kind in (ev.ApiCalled, ev.ChangeSent):  # parameter names are our own, their values are not
        return st.builds(kind, params=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), HOSTILE))
    return st.from_type(kind)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_every_kind_comes_back_as_it_was(kind: type) -> None:
    @given(any_of(kind), NUMBER, NUMBER, NUMBER)
    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # an inventory is large
    def comes_back(body: Any, seq: int, at_ns: int, wall_ns: int) -> None:
        event = Event(seq, at_ns, wall_ns, body)
        line = encode(event)
        assert line.count(b"\n") == 1
        assert line.isascii()
        assert decode(line) == event
        assert encode(decode(line) or event) == line
        assert body_from_json(kind_of(body), json.loads(json.dumps(body_to_json(body)))) == body

    comes_back()


def test_kinds_are_named_once_and_in_words() -> None:
    names = {kind_of(object.__new__(kind)) for kind in KINDS}
    assert len(names) == len(KINDS) == 33
    assert {"samples_arrived", "run_opened", "clock_echo", "phase_entered"} <= names


def test_a_kind_of_a_later_version_is_ignored() -> None:
    assert decode(b'{"seq":1,"at_ns":2,"wall_ns":3,"kind":"from_the_future","body":{"x":1}}\n') is None
    assert body_from_json("from_the_future", None) is None


def test_a_field_of_a_later_version_is_ignored() -> None:
    line = b'{"seq":1,"at_ns":2,"wall_ns":3,"kind":"notice","body":{"level":"info","text":"t","new":1},"more":2}'
    assert decode(line) == Event(1, 2, 3, ev.Notice(ev.Level.INFO, "t"))


def test_an_unknown_reason_becomes_other() -> None:
    body = body_from_json("samples_arrived", {"lane": 1, "samples": [[0, 1, 2, 3, 1, 99, 0, 0]]})
    assert isinstance(body, ev.SamplesArrived)
    assert body.samples[0].reason is Reason.OTHER


NOTICE = '{"seq":1,"at_ns":2,"wall_ns":3,"kind":"notice","body":%s}'
SAMPLES = '{"seq":1,"at_ns":2,"wall_ns":3,"kind":"samples_arrived","body":%s}'


@pytest.mark.parametrize(
    "line",
    [
        "", "x", "null", "[]", "{}", '"text"', "17", "\x00", b"\xff\xfe", '{"seq":1}',
        '{"seq":"x","at_ns":2,"wall_ns":3,"kind":"notice","body":{}}',
        '{"seq":Infinity,"at_ns":2,"wall_ns":3,"kind":"notice","body":{}}',
        '{"seq":null,"at_ns":2,"wall_ns":3,"kind":"notice","body":{}}',
        '{"seq":' + "9" * 5000 + ',"at_ns":2,"wall_ns":3,"kind":"notice","body":{}}',
        "[" * 100_000,
        NOTICE % "null", NOTICE % "[]", NOTICE % "{}", NOTICE % '{"level":"loud","text":"x"}',
        NOTICE % '{"level":"info","text":7}',
        SAMPLES % "{}", SAMPLES % '{"lane":1}', SAMPLES % '{"lane":[],"samples":[]}',
        SAMPLES % '{"lane":Infinity,"samples":[]}', SAMPLES % '{"lane":1,"samples":7}',
        SAMPLES % '{"lane":1,"samples":[7]}', SAMPLES % '{"lane":1,"samples":[[1,2,3]]}',
        SAMPLES % '{"lane":1,"samples":[[0,1,2,3,9,0,0,0]]}', SAMPLES % '{"lane":1,"samples":[[0,1,2,3,0,[],0,0]]}',
        SAMPLES % '{"lane":1,"samples":[[0,1,2,Infinity,0,0,0,0]]}',
        SAMPLES % '{"lane":1,"samples":[[0,1,2,NaN,0,0,0,0]]}',
        SAMPLES % '{"lane":1,"samples":[["a",1,2,3,0,0,0,0]]}',
        '{"seq":1,"at_ns":2,"wall_ns":3,"kind":"phase_entered","body":{"phase":"lunch"}}',
        '{"seq":1,"at_ns":2,"wall_ns":3,"kind":"lane_added","body":{"lane":null}}',
    ],
    ids=lambda line: str(line)[:60],
)  # fmt: skip
def test_what_is_malformed_raises_codec_error_and_nothing_else(line: str | bytes) -> None:
    with pytest.raises(CodecError):
        decode(line)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
), st.sampled_from(KINDS))  # fmt: skip
@settings(max_examples=200)
def test_any_json_is_a_body_or_a_codec_error(data: Any, kind: type) -> None:
    name = kind_of(object.__new__(kind))
    filled = {field.name: data for field in fields(kind)}
    for body in (data, filled, {**filled, "samples": [data], "lane": 1}):
        try:
            found = body_from_json(name, body)
        except CodecError:
            continue
        assert isinstance(found, kind)
        assert TypeAdapter(kind).validate_python(found) == found
