# SPDX-License-Identifier: Apache-2.0
"""YAML as people expect it: YAML 1.2 scalars, no repeated keys, and the line of each key kept.

Stock PyYAML keeps the last of two equal keys, reads `12:30` as 750 and `on` as true.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from . import ConfigError

Key = tuple[str | int, ...]
SIZE_LIMIT = 1 << 20
DEPTH_LIMIT = 50
NODE_LIMIT = 20_000  # aliases are written out: ten lines of them could otherwise become a billion nodes
_TAGS = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """Resolves the scalars of YAML 1.2's core schema but for .inf and .nan; the rest are strings."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own name


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|false|True|False|TRUE|FALSE)$", "tfTF"),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789"),
    ("float", r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?$", "-+0123456789."),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(_TAGS + _tag, re.compile(_pattern), list(_first))


@dataclass(slots=True)
class Document:
    """A parsed file: plain values, and the line (from 1) of each key or item by its path."""

    path: str
    value: Any
    lines: dict[Key, int] = field(default_factory=dict)
    nodes: int = 0

    def where(self, key: Key) -> str:
        """`file:line` of that place, or of the nearest enclosing one that has a line."""
        while key and key not in self.lines:
            key = key[:-1]
        return f"{self.path}:{self.lines.get(key, 1)}"


def load(path: Path) -> Document:
    """Parse a file. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read ({reason})") from None
    return parse(text, str(path))


def parse(text: str, path: str) -> Document:
    """Parse a text. Raises ConfigError."""
    if len(text) > SIZE_LIMIT:
        raise ConfigError(f"{path}: larger than {SIZE_LIMIT >> 20} MiB")
    document = Document(path, None)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        document.value = None if node is None else _build(node, (), document)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigError(f"{path}:{mark.line + 1 if mark else 1}: {error.problem or 'not YAML'}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply") from None
    return document


def _build(node: yaml.Node, key: Key, document: Document) -> Any:
    line = node.start_mark.line + 1
    document.nodes += 1
    if document.nodes > NODE_LIMIT:
        raise ConfigError(f"{document.path}:{line}: more than {NODE_LIMIT} values, aliases written out")
    document.lines.setdefault(key, line)
    if len(key) > DEPTH_LIMIT:
        raise ConfigError(f"{document.path}:{line}: nested too deeply")
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            name = key_node.value
            key_line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError(f"{document.path}:{key_line}: a key must be a word")
            if name in found:
                before = document.lines[(*key, name)]
                raise ConfigError(f"{document.path}:{key_line}: key {name!r} is repeated (first on line {before})")
            document.lines[(*key, name)] = key_line
            found[name] = _build(value_node, (*key, name), document)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*key, index), document) for index, item in enumerate(node.value)]
    return _scalar(node, f"{document.path}:{line}")


def _scalar(node: yaml.Node, where: str) -> Any:
    text, kind = str(node.value), node.tag.removeprefix(_TAGS)
    try:
        match kind:
            case "str":
                return text
            case "int":
                return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
            case "float":
                return float(text)
            case "bool":
                return {"true": True, "false": False}[text.lower()]
            case "null":
                return None
    except (ValueError, KeyError):
        raise ConfigError(f"{where}: {text[:60]!r} is no {kind}") from None
    raise ConfigError(f"{where}: tag {node.tag[:60]!r} is not known here")
