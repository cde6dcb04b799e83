# SPDX-License-Identifier: Apache-2.0
"""Untrusted text, durations, glyphs."""

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from csworkbench.tui.glyphs import ASCII, BLOCK, LIGHT, Cell, choose, names
from csworkbench.tui.text import clean, fit, narrow
from csworkbench.tui.times import bounds, day_time, relative, seconds, span


@given(st.text(max_size=300))
def test_clean_text_has_nothing_that_moves_a_cursor(text: str) -> None:
    import unicodedata

    found = clean(text, 100)
    assert len(found) <= 100
    assert not [c for c in found if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")]
    assert clean(found, 100) == found


@given(st.text(max_size=60).map(clean), st.integers(0, 40), st.booleans())
def test_fit_takes_exactly_its_cells(text: str, cells: int, right: bool) -> None:
    assert cell_len(fit(text, cells, right=right)) == cells


@given(st.text(max_size=60).map(clean))
def test_narrow_text_has_one_cell_per_character(text: str) -> None:
    found = narrow(text)
    assert cell_len(found) == len(found)


def test_clean() -> None:
    assert clean("vm\x1b[31m\n red\u202e") == "vm [31m red"
    assert clean("[bold]x[/bold]") == "[bold]x[/bold]"
    assert clean("a\u0337\u0322\u0358b") == "a\u0337b"


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0.00 s"), (1_420_000_000, "1.42 s"), (123_400_000_000, "123.4 s"), (1_234_000_000_000, "1234 s")],
)
def test_seconds(ns: int, text: str) -> None:
    assert seconds(ns) == text


def test_times() -> None:
    assert bounds(1_320_000_000, 1_520_000_000) == "[1.32, 1.52]"
    assert span(14 * 10**9) == "0:14"
    assert span(-3725 * 10**9) == "-1:02:05"
    assert relative(-2_500_000_000, 1) == "-2.5 s"
    assert relative(125 * 10**9) == "+2:05"
    assert day_time(1_795_183_391_420_000_000, 2, UTC) == "14:03:11.42"
    assert day_time(2**80, 2, UTC) == "?"


def test_both_sets_have_one_cell_per_glyph_and_states_differ() -> None:
    for glyphs in (BLOCK, LIGHT, ASCII):
        assert len(set(glyphs.cells)) == len(Cell)
        for name in names():
            assert all(cell_len(c) == 1 for c in getattr(glyphs, name)), name
    below_32 = set("►▼♦○↓")  # code page 437 has them where Python has control characters
    assert all(g in below_32 or g.encode("cp437") for name in names() for g in getattr(LIGHT, name))
    assert all(getattr(ASCII, name).isascii() for name in names())


def test_ascii_text_is_ascii() -> None:
    assert ASCII.plain("10 VMs · 14:03 – 14:04 → 名") == "10 VMs - 14:03 - 14:04 > ?"


def test_choice_of_glyphs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("locale.getencoding", lambda: "UTF-8")
    monkeypatch.delenv("CSWORKBENCH_ASCII", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert choose() is BLOCK
    assert choose("ascii") is ASCII
    monkeypatch.setenv("TERM", "linux")
    assert choose() is LIGHT
    assert choose("blocks") is BLOCK
    monkeypatch.setenv("CSWORKBENCH_ASCII", "1")
    assert choose() is ASCII
    monkeypatch.setenv("CSWORKBENCH_ASCII", "0")
    monkeypatch.setattr("locale.getencoding", lambda: "ANSI_X3.4-1968")
    assert choose() is ASCII
