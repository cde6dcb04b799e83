# SPDX-License-Identifier: Apache-2.0
"""A campaign's plan file to a CampaignPlan. Errors name file, line and the nearest right key."""

import difflib
import re
from collections.abc import Collection, Iterable
from dataclasses import fields, replace
from datetime import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from csworkbench.model.operation import FITTING, Operation
from csworkbench.model.scenario import Scenario
from csworkbench.upgrade.campaign.plan import (
    CALLS_PER_SECOND,
    KINDS,
    MOST_AT_ONCE,
    NEEDS,
    REST,
    CampaignPlan,
    Canary,
    Caps,
    Selection,
    StopRule,
    Unmeasured,
    WaveSize,
    Window,
)
from csworkbench.upgrade.campaign.window import DAYS, time_zone

from . import ConfigError, yaml12
from .scenario_file import check_scenario, seconds

SCENARIO_KEYS = (
    "cloud", "vantages", "egress_target", "egress_target6", "dns_name", "lanes", "phases", "intervals", "budget",
    "environment",
)  # fmt: skip
OWN_KEYS = (
    "name", "select", "canary", "waves", "soak", "caps", "window", "stop", "operation", "fallback", "retries",
    "without_vantages", "calls_per_second",
)  # fmt: skip
KEYS = (*OWN_KEYS, *SCENARIO_KEYS)
SELECT_KEYS = tuple(f.name for f in fields(Selection) if f.name != "listed")
CANARY_KEYS = tuple(f.name for f in fields(Canary))
CAPS_KEYS = tuple(f.name for f in fields(Caps))
STOP_KEYS = tuple(f.name for f in fields(StopRule))
WINDOW_KEYS = ("from", "to", "zone", "days", "reserve")
_HOURS = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_SHARE = re.compile(r"([1-9]\d?|100)%")
_MOST_LINES = 100_000
_LONGEST_S = 30 * 86400.0


def load_campaign(path: Path) -> CampaignPlan:
    """Read and check a plan, and the file that its selection names. Raises ConfigError naming file and line."""
    plan = check_campaign(yaml12.load(path))
    if not plan.select.file:
        return plan
    return replace(plan, select=replace(plan.select, listed=_listed(path.parent / plan.select.file)))


def check_campaign(document: yaml12.Document) -> CampaignPlan:
    """Turn a parsed file into a CampaignPlan. Raises ConfigError."""
    reader = _Reader(document)
    top = reader.mapping((), document.value, KEYS)
    name = top.get("name")
    if not isinstance(name, str) or not name.strip():
        raise reader.error(("name",), "a name is needed")
    operation = top.get("operation", "auto")
    return CampaignPlan(
        name=name.strip(),
        scenario=_scenario(document, top, name.strip(), None),
        select=reader.selection(top.get("select", {})),
        canary=reader.canary(top.get("canary", {})),
        waves=reader.waves(top.get("waves", [REST])),
        soak=reader.seconds(("soak",), top.get("soak", 0.0)),
        caps=Caps(**reader.numbers("caps", CAPS_KEYS, top.get("caps", {}), MOST_AT_ONCE, least={"total": 1})),
        window=reader.window(top["window"]) if "window" in top else None,
        stop=StopRule(**reader.numbers("stop", STOP_KEYS, top.get("stop", {}), 1_000_000)),
        operation=None if operation == "auto" else _operation(document, top, name, "operation"),
        fallback=_operation(document, top, name, "fallback") if top.get("fallback") not in (None, "none") else None,
        retries=reader.number(("retries",), top.get("retries", 0), 0, 10),
        without_vantages=reader.word(("without_vantages",), top.get("without_vantages", "skip"), Unmeasured),
        calls_per_second=reader.number(
            ("calls_per_second",), top.get("calls_per_second", CALLS_PER_SECOND), 1, 1000
        ),
    )  # fmt: skip


def _scenario(document: yaml12.Document, top: dict[str, Any], name: str, operation: Any) -> Scenario:
    """What the runs have in common; its target is only there so that it can be checked."""
    value = {key: top[key] for key in SCENARIO_KEYS if key in top}
    value |= {"name": name, "network": "any"} | ({"operation": operation} if operation is not None else {})
    return check_scenario(yaml12.Document(document.path, value, dict(document.lines)))


def _operation(document: yaml12.Document, top: dict[str, Any], name: str, key: str) -> Operation:
    lines = {path: line for path, line in document.lines.items() if path[:1] != ("operation",)}
    lines |= {("operation", *path[1:]): line for path, line in document.lines.items() if path[:1] == (key,)}
    # Checked against a target that it fits; what it does not fit is left out of the campaign, and named.
    written = top[key]
    word = written if isinstance(written, str) else next(iter(written), "") if isinstance(written, dict) else ""
    kind = next((k for k in FITTING.get(word, ("network",)) if k in KINDS), None)
    if kind is None or written in ("none", "auto"):
        at = document.where((key,))
        raise ConfigError(f"{at}: {key}: `auto`, or one that a network, VPC or system VM can have, not {word!r}")
    value = {"name": name, kind: "any", "operation": written}
    return check_scenario(yaml12.Document(document.path, value, lines)).operation


def _listed(path: Path) -> tuple[str, ...]:
    """One name or id a line; `#` begins a remark. Raises ConfigError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read ({reason})") from None
    names = tuple(dict.fromkeys(name for line in lines if (name := line.partition("#")[0].strip())))
    if not names or len(names) > _MOST_LINES:
        raise ConfigError(f"{path}: 1 to {_MOST_LINES} names or ids are needed, one a line, not {len(names)}")
    return names


class _Reader:
    def __init__(self, document: yaml12.Document) -> None:
        self._document = document

    def error(self, key: yaml12.Key, why: str) -> ConfigError:
        name = next((str(part) for part in reversed(key) if isinstance(part, str)), "plan")
        return ConfigError(f"{self._document.where(key)}: {name}: {why}")

    def mapping(self, key: yaml12.Key, value: Any, known: Collection[str]) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.error(key, f"keys are needed: {', '.join(known)}")
        for name in value:
            if name not in known:
                where = self._document.where((*key, name))
                raise ConfigError(f"{where}: unknown key {name!r}{_nearest(str(name), known)}")
        return value

    def selection(self, value: Any) -> Selection:
        row = self.mapping(("select",), value, SELECT_KEYS)
        found: dict[str, Any] = {}
        for name in SELECT_KEYS:
            if name not in row:
                continue
            key = ("select", name)
            if name == "file":
                if not isinstance(row[name], str) or not row[name].strip():
                    raise self.error(key, "the name of a file is needed, beside the plan's own folder")
                found[name] = row[name].strip()
                continue
            found[name] = self.words(key, row[name])
            allowed = {"needs": NEEDS, "kinds": KINDS}.get(name)
            for word in found[name] if allowed is not None else ():
                if word not in (allowed or ()):
                    raise self.error(key, f"{word[:60]!r} is none of {', '.join(allowed or ())}")
        return Selection(**found)

    def words(self, key: yaml12.Key, value: Any) -> tuple[str, ...]:
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(v, str) and v.strip() for v in values):
            raise self.error(key, "a name, or a list of names, is needed; `*` and `?` stand for any characters")
        return tuple(v.strip() for v in values)

    def canary(self, value: Any) -> Canary:
        row = self.mapping(("canary",), value, CANARY_KEYS)
        confirm = row.get("confirm", False)
        if not isinstance(confirm, bool):
            raise self.error(("canary", "confirm"), f"true or false, not {confirm!r}")
        if "size" in row and "names" in row:
            raise self.error(("canary", "size"), "`names` is there too; one of them is enough")
        return Canary(
            self.number(("canary", "size"), row.get("size", 1), 0, 100),
            self.words(("canary", "names"), row["names"]) if "names" in row else (),
            self.seconds(("canary", "soak"), row.get("soak", 0.0)),
            confirm,
        )

    def waves(self, value: Any) -> tuple[WaveSize, ...]:
        if not isinstance(value, list) or not 1 <= len(value) <= 1000:
            raise self.error(("waves",), "a list of sizes is needed, e.g. [5, 25%, rest]")
        for place, size in enumerate(value):
            number = isinstance(size, int) and not isinstance(size, bool) and size >= 1
            if not number and not (isinstance(size, str) and (size == REST or _SHARE.fullmatch(size))):
                raise self.error(("waves", place), f"a number, a share such as 25%, or rest, not {str(size)[:60]!r}")
        return tuple(value)

    def numbers(
        self, section: str, known: Collection[str], value: Any, most: int, least: dict[str, int] | None = None
    ) -> dict[str, int]:
        row = self.mapping((section,), value, known)
        return {name: self.number((section, name), v, (least or {}).get(name, 0), most) for name, v in row.items()}

    def number(self, key: yaml12.Key, value: Any, low: int, high: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.error(key, f"{str(value)[:60]!r} is not between {low} and {high}")
        return value

    def seconds(self, key: yaml12.Key, value: Any) -> float:
        found = seconds(self._document, key, value)
        if not isinstance(found, int | float) or isinstance(found, bool) or not 0 <= found <= _LONGEST_S:
            raise self.error(key, f"{str(value)[:60]!r} is not between 0s and 720h")
        return float(found)

    def word(self, key: yaml12.Key, value: Any, words: type[Unmeasured]) -> Unmeasured:
        try:
            return words(value)
        except ValueError:
            raise self.error(key, f"one of {', '.join(words)} is needed, not {str(value)[:60]!r}") from None

    def window(self, value: Any) -> Window:
        row = self.mapping(("window",), value, WINDOW_KEYS)
        hours = []
        for name in ("from", "to"):
            match = _HOURS.fullmatch(str(row.get(name, "")))
            if match is None:
                raise self.error(("window", name), "hours and minutes are needed, e.g. 22:00")
            hours.append(time(int(match[1]), int(match[2])))
        zone = row.get("zone", "UTC")
        try:
            time_zone(str(zone))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            text = f"{str(zone)[:60]!r} is no time zone that this machine knows, such as UTC or Europe/Berlin"
            raise self.error(("window", "zone"), text) from None
        days = self.words(("window", "days"), row["days"]) if "days" in row else ()
        for day in days:
            if day not in DAYS:
                raise self.error(("window", "days"), f"{day[:60]!r} is none of {', '.join(DAYS)}")
        reserve = self.seconds(("window", "reserve"), row.get("reserve", 0.0))
        found = Window(hours[0], hours[1], str(zone), days, reserve)
        length = ((hours[1].hour - hours[0].hour) * 60 + hours[1].minute - hours[0].minute) * 60 % 86400 or 86400
        if reserve >= length:
            raise self.error(("window", "reserve"), "it is as long as the window itself")
        return found


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1, 0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; known here: {', '.join(known)}"
