# SPDX-License-Identifier: Apache-2.0
"""Layouts: which panels where (`NAME.yaml`) and how they look (`NAME.tcss`). Both are checked before use.

The YAML is read as nodes: every error has its line, a repeated key is one, and no scalar changes its type.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import platformdirs
import yaml
from textual.css.stylesheet import Stylesheet
from textual.css.tokenizer import TokenError

from .theme import css_variables

KEYS = ("name", "title", "rows")
BOX_KEYS = ("id", "width", "height", "rows", "columns")
PANEL_KEYS = ("panel", "width", "height")
_SIZE = re.compile(r"auto|\d{1,4}|\d{1,3}%|\d{1,3}fr")
_ID = re.compile(r"[a-z][a-z0-9-]*")


class LayoutError(ValueError):
    """A layout cannot be used; the message names file, line and key."""


@dataclass(frozen=True, slots=True)
class Box:
    """A panel, or boxes beside (`columns`) or below (`rows`) each other. Sizes are TCSS sizes."""

    id: str
    width: str = ""
    height: str = ""
    panel: str = ""
    across: bool = False
    children: tuple["Box", ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """A checked layout."""

    name: str
    title: str
    root: Box
    tcss: Path

    @property
    def key(self) -> str:
        """The name by which it is asked for."""
        return self.tcss.stem

    @property
    def css(self) -> str:
        """The sizes as TCSS rules by id, so that the layout's own stylesheet can overrule them per breakpoint."""
        return "\n".join(_rules(self.root))


def directory() -> Path:
    """Where the layouts are: beside the package in a checkout, inside of it in an installed wheel."""
    package = Path(__file__).resolve().parent.parent
    checkout = package.parent / "layouts"
    return checkout if (checkout / "operator.yaml").is_file() else package / "_data" / "layouts"


def user_directory() -> Path:
    """Where people keep layouts of their own: `layouts` in the platform's configuration folder."""
    return Path(platformdirs.user_config_dir("csworkbench")) / "layouts"


def known() -> list[str]:
    """The names of all layouts, the operator's first; a user's layout stands for a built-in one of the same name."""
    names = {p.stem for folder in (directory(), user_directory()) for p in folder.glob("*.yaml")}
    return sorted(names, key=lambda name: (name != "operator", name))


def base() -> Path:
    """The stylesheet that all layouts share."""
    return directory() / "base.tcss"


def _find(name: str) -> Path:
    mine = user_directory() / f"{name}.yaml"
    return mine if mine.is_file() else directory() / f"{name}.yaml"


def load(name_or_file: str, panels: Collection[str]) -> Layout:
    """Read and check a layout by name, or by the path of its YAML file. Raises LayoutError."""
    is_file = name_or_file.endswith((".yaml", ".yml"))
    if not is_file and not re.fullmatch(r"[\w-]+", name_or_file):
        raise LayoutError(f"{name_or_file!r} is no layout's name; there are: {', '.join(known())}")
    file = Path(name_or_file) if is_file else _find(name_or_file)
    if not file.is_file():
        raise LayoutError(f"{file}: no such layout; there are: {', '.join(known())}")
    try:
        node = yaml.compose(file.read_text("utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LayoutError(f"{file}: {' '.join(str(error).split())}") from None
    reader = _Reader(file, panels)
    top = reader.mapping(node, KEYS, "layout")
    if "rows" not in top:
        raise LayoutError(f"{file}: key rows is missing")
    root = Box("layout", children=reader.boxes(top["rows"], "rows"))
    missing = [p for p in ("timeline",) if p not in reader.seen]
    if missing:
        raise LayoutError(f"{file}: panel {missing[0]} is missing")
    tcss = file.with_suffix(".tcss")
    check_tcss(tcss)
    return Layout(reader.scalar(top.get("name"), file.stem), reader.scalar(top.get("title"), ""), root, tcss)


def check_tcss(file: Path) -> None:
    """Parse a stylesheet as the app would. Raises LayoutError: Textual itself would end the app."""
    sheet = Stylesheet(variables=css_variables())
    try:
        sheet.read_all([base(), file])
        sheet.parse()
    except TokenError as error:  # also UnexpectedEnd
        raise LayoutError(f"{file}:{error.start[0]}: {error}") from None
    except Exception as error:  # Textual raises several unrelated classes here, none of them documented
        found = [f"line {line}: {text}" for line, text in _rule_errors(error)]
        raise LayoutError(f"{file}: {'; '.join(found) or ' '.join(str(error).split())}") from None


def _rule_errors(error: Exception) -> Iterator[tuple[int, str]]:
    """The (line, message) pairs in a StylesheetParseError."""
    for rule in getattr(getattr(error, "errors", None), "rules", ()):
        for token, message in rule.errors:
            summary = getattr(message, "summary", None) or str(message)
            yield token.location[0] + 1, " ".join(str(summary).split())


def _rules(box: Box) -> Iterator[str]:
    sizes = "".join(f" {k}: {v};" for k, v in (("width", box.width), ("height", box.height)) if v)
    if sizes:
        yield f"#{box.id} {{{sizes} }}"
    for child in box.children:
        yield from _rules(child)


class _Reader:
    """Turns YAML nodes into boxes; every complaint names file, line and key."""

    def __init__(self, file: Path, panels: Collection[str]) -> None:
        self._file = file
        self._panels = panels
        self.seen: set[str] = set()

    def fail(self, node: yaml.Node | None, text: str) -> LayoutError:
        line = f":{node.start_mark.line + 1}" if node is not None else ""
        return LayoutError(f"{self._file}{line}: {text}")

    def mapping(self, node: yaml.Node | None, allowed: Collection[str], where: str) -> dict[str, yaml.Node]:
        """The node's keys and values; unknown and repeated keys are errors."""
        if not isinstance(node, yaml.MappingNode):
            raise self.fail(node, f"{where}: expected keys and values")
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(key.value)
            if name not in allowed:
                raise self.fail(key, f"{where}: unknown key {name!r}{_nearest(name, allowed)}")
            if name in found:
                raise self.fail(key, f"{where}: key {name!r} is there twice")
            found[name] = value
        return found

    def scalar(self, node: yaml.Node | None, default: str) -> str:
        """The node's text."""
        if node is None:
            return default
        if not isinstance(node, yaml.ScalarNode):
            raise self.fail(node, "expected a text")
        return str(node.value)

    def boxes(self, node: yaml.Node, where: str) -> tuple[Box, ...]:
        """A list of boxes."""
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            raise self.fail(node, f"{where}: expected a list")
        return tuple(self._box(item, f"{where}[{i}]") for i, item in enumerate(node.value))

    def _box(self, node: yaml.Node, where: str) -> Box:
        is_panel = isinstance(node, yaml.MappingNode) and any(k.value == "panel" for k, _ in node.value)
        found = self.mapping(node, PANEL_KEYS if is_panel else BOX_KEYS, where)
        width, height = (self._size(found.get(k), f"{where}.{k}") for k in ("width", "height"))
        if is_panel:
            panel = self.scalar(found["panel"], "")
            if panel not in self._panels:
                raise self.fail(
                    found["panel"], f"{where}.panel: unknown panel {panel!r}{_nearest(panel, self._panels)}"
                )
            self._take(found["panel"], panel)
            return Box(panel, width, height, panel)
        inner = [k for k in ("rows", "columns") if k in found]
        if len(inner) != 1:
            raise self.fail(node, f"{where}: needs one of: panel, rows, columns")
        name = self.scalar(found.get("id"), "")
        if not _ID.fullmatch(name):
            raise self.fail(found.get("id", node), f"{where}.id: needs an id of lower-case letters, digits and -")
        self._take(found.get("id"), name)
        children = self.boxes(found[inner[0]], f"{where}.{inner[0]}")
        return Box(name, width, height, "", inner[0] == "columns", children)

    def _take(self, node: yaml.Node | None, name: str) -> None:
        if name in self.seen:
            raise self.fail(node, f"{name!r} is there twice")
        self.seen.add(name)

    def _size(self, node: yaml.Node | None, where: str) -> str:
        size = self.scalar(node, "")
        if node is not None and not _SIZE.fullmatch(size):
            raise self.fail(node, f"{where}: {size!r} is no size; use 12, 40%, 1fr or auto")
        return size


def _nearest(name: str, allowed: Collection[str]) -> str:
    near = get_close_matches(name, list(allowed), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(sorted(allowed))}"
