# SPDX-License-Identifier: Apache-2.0
"""YAML as people expect it, and nothing that a file can do to us."""

from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.config import ConfigError
from csworkbench.config.yaml12 import DEPTH_LIMIT, NODE_LIMIT, SIZE_LIMIT, load, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12:30", "12:30"), ("on", "on"), ("off", "off"), ("yes", "yes"), ("no", "no"), ("y", "y"), ("1:2:3", "1:2:3"),
        ("0o7", 7), ("0o17", 15), ("0x1F", 31), ("010", 10), ("08", 8), ("-3", -3), ("+5", 5), ("0", 0),
        ("1e3", 1000.0), ("1.5", 1.5), (".5", 0.5), ("1.", 1.0), ("-1.5e-3", -0.0015), ("4.22", 4.22),
        ("1_000", "1_000"), ("0b11", "0b11"), ("0o9", "0o9"), ("1e", "1e"), ("--", "--"), (".", "."),
        ("true", True), ("False", False), ("TRUE", True), ("null", None), ("~", None), ("", None), ("Null", None),
        ("2026-11-20", "2026-11-20"), ("'7'", "7"), ('"true"', "true"), ("!!str 7", "7"), ("!!int 7", 7),
        ("!!float 1", 1.0), ("=", "="), ("<<", "<<"), ("10m", "10m"), ("übung", "übung"),
    ],
)  # fmt: skip
def test_scalars_of_yaml_1_2(text: str, value: Any) -> None:
    found = parse(f"key: {text}", "f").value["key"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("name", ["on", "yes", "12", "1.5", "true", "null", "<<", "12:30"])
def test_keys_are_always_words(name: str) -> None:
    assert parse(f"{name}: 1", "f").value == {name: 1}


def test_a_repeated_key_names_both_lines() -> None:
    with pytest.raises(ConfigError, match=r"^f\.yaml:4: key 'b' is repeated \(first on line 2\)$"):
        parse("a:\n  b: 1\n  c: 2\n  'b': 3\n", "f.yaml")


def test_lines_are_kept_for_keys_and_items() -> None:
    document = parse("a:\n  - x\n  -\n    b: 1\nc: {d: 2}\n", "f")
    assert document.value == {"a": ["x", {"b": 1}], "c": {"d": 2}}
    assert [document.where(key) for key in (("a",), ("a", 1), ("a", 1, "b"), ("c", "d"), ("c", "none"), ())] == [
        "f:1", "f:4", "f:4", "f:5", "f:5", "f:1",
    ]  # fmt: skip


def test_anchors_may_be_used() -> None:
    assert parse("a: &x {b: [1]}\nc: *x\n", "f").value == {"a": {"b": [1]}, "c": {"b": [1]}}


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB, "a: &a [*a]", "a: &a [*a, *a]", "&a {b: *a}", "a: &a {x: *a, y: *a}",
        "[" * 5000, "[" * 5000 + "]" * 5000, "{a: " * 3000 + "}" * 3000, "- " * 3000, "? " * 3000,
        "[" * (DEPTH_LIMIT + 2) + "]" * (DEPTH_LIMIT + 2),
        "[" + "x," * (NODE_LIMIT + 1) + "]", "x" * (SIZE_LIMIT + 1),
    ],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_bombs_end_soon_and_in_one_line(text: str) -> None:
    began = process_time()
    with pytest.raises(ConfigError) as error:
        parse(text, "f.yaml")
    assert process_time() - began < 5
    assert str(error.value).startswith("f.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "a: [", "a: b: c", "\ta: 1", "a: 'x", "a: &", "a: *none", "--- 1\n--- 2", "a: \x00", "a: \x1b", "[a]: 1",
        "? {a: 1}\n: 2", "a: !!int x", "a: !!float x", "a: !!bool maybe", "a: !!timestamp x", "a: !!binary x",
        "a: !!python/object/apply:os.system [x]", "a: !!python/name:os.system x", "a: !mine x", "%YAML 9.9\n---\na: 1",
        "a: !!int " + "9" * 5000, "a: " + "9" * 5000, "a: @x", "a: `x", "a: %x", "- a\nb: c",
    ],
    ids=ascii,
)  # fmt: skip
def test_what_is_wrong_is_one_line_that_names_the_file(text: str) -> None:
    try:
        value = parse(text, "f.yaml").value
    except ConfigError as error:
        assert str(error).startswith("f.yaml")
        assert "\n" not in str(error)
    else:
        assert text.startswith("a: !!python/object"), f"taken as {value!r}"


@given(st.text(max_size=60) | st.text("ab:-[]{}&*!|>'\"#%@`, \n0.~", max_size=60))
def test_any_text_is_a_document_or_a_config_error(text: str) -> None:
    try:
        parse(text, "f")
    except ConfigError as error:
        assert "\n" not in str(error)


def test_tags_on_collections_build_nothing() -> None:
    assert parse("a: !!python/object/apply:os.system [x]", "f").value == {"a": ["x"]}


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"a: \x80"])
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "f.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_an_empty_file_is_nothing_and_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"")
    assert load(path).value is None
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert load(path).value == {"a": 1}
