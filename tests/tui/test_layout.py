# SPDX-License-Identifier: Apache-2.0
"""Layouts are checked before use; each error names file, line and key."""

from pathlib import Path

import pytest

from csworkbench.tui import layout
from csworkbench.tui.app import WorkbenchApp
from csworkbench.tui.layout import LayoutError, check_tcss, load
from csworkbench.tui.widgets import PANELS

from .feeds import HandFeed

GOOD = "name: x\nrows:\n  - {panel: header, height: 1}\n  - {panel: timeline, height: 1fr}\n"


def write(tmp_path: Path, text: str, tcss: str = "") -> str:
    """A layout file."""
    file = tmp_path / "x.yaml"
    file.write_text(text)
    file.with_suffix(".tcss").write_text(tcss)
    return str(file)


def test_the_operator_layout_is_good() -> None:
    found = load("operator", PANELS)
    assert found.name == "operator"
    assert "#side { width: 36; }" in found.css


def test_a_layout_of_ones_own(tmp_path: Path) -> None:
    assert load(write(tmp_path, GOOD), PANELS).css == "#header { height: 1; }\n#timeline { height: 1fr; }"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("panel: header", "panel: heder"),
            r"x\.yaml:3: rows\[0\]\.panel: unknown panel 'heder'; did you mean",
        ),
        (("height: 1}", "hight: 1}"), r"x\.yaml:3: rows\[0\]: unknown key 'hight'; did you mean 'height'"),
        (("name: x", "nam: x"), r"x\.yaml:1: layout: unknown key 'nam'; did you mean 'name'"),
        (("name: x", "name: x\nname: y"), r"x\.yaml:2: layout: key 'name' is there twice"),
        (("height: 1fr", "height: tall"), r"x\.yaml:4: rows\[1\]\.height: 'tall' is no size"),
        (("panel: timeline", "panel: header"), r"x\.yaml:4: 'header' is there twice"),
        (("panel: timeline", "panel: detail"), r"x\.yaml: panel timeline is missing"),
        (("rows:", "rows: {}\nx:"), r"x\.yaml:3: layout: unknown key 'x'"),
        (("{panel: timeline, height: 1fr}", "{id: A, rows: [{panel: timeline}]}"), r"x\.yaml:4: rows\[1\]\.id"),
        (("{panel: timeline, height: 1fr}", "{id: a}"), r"x\.yaml:4: rows\[1\]: needs one of"),
        (("rows:", "rows: ["), r"x\.yaml"),
    ],
)
def test_errors_name_file_line_and_key(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        load(write(tmp_path, GOOD.replace(*change)), PANELS)


@pytest.mark.parametrize(
    "tcss", ["#a { colour: red; }", "#a { color: $nothing; }", "#a { color: red;", "#a { width: wide; }", "}"]
)
def test_a_bad_stylesheet_is_an_error_of_ours(tmp_path: Path, tcss: str) -> None:
    with pytest.raises(LayoutError, match=r"x\.tcss"):
        load(write(tmp_path, GOOD, tcss), PANELS)


def test_a_missing_layout_names_those_that_are_there() -> None:
    with pytest.raises(LayoutError, match=r"there are: operator"):
        WorkbenchApp(HandFeed(), layout="nothing")


def test_a_missing_stylesheet(tmp_path: Path) -> None:
    with pytest.raises(LayoutError):
        check_tcss(tmp_path / "none.tcss")


def test_an_installed_wheel_has_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "csworkbench"
    monkeypatch.setattr(layout, "__file__", str(package / "tui" / "layout.py"))
    assert layout.directory() == package / "_data" / "layouts"
