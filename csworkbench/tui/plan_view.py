# SPDX-License-Identifier: Apache-2.0
"""The plan screen's lines: operation, vantages, lanes, phases, budget, checks, calls. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from csworkbench.model.scenario import Scenario
from csworkbench.upgrade.choices import Choice
from csworkbench.upgrade.facts import Level

from .guide import Line, Part
from .plan import Survey, TenantWay
from .plan_fields import FIELDS, Field
from .text import clean, fit, width

CHOICE, FIELD, FACT = "choice", "field", "fact"
SECTION, LABEL = 11, 15
SHOWN_TENANTS = 200
LEVELS = {Level.STOP: "b $error", Level.WARN: "$warning", Level.HIDDEN: "$secondary", Level.PASS: "$success"}
WAITING = "asking the cloud"
_OF_TENANTS = ("user", "key", "jump", "host_key", "refused")


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `id` is CHOICE, FIELD or FACT with a number or name; `about` is all that there is to say of it."""

    id: str
    section: str
    parts: Line
    about: tuple[Line, ...] = ()
    does: str = ""

    @property
    def kind(self) -> str:
        """CHOICE, FIELD or FACT."""
        return self.id.split("-")[0]


def rows(scenario: Scenario, choices: Sequence[Choice], survey: Survey | None, why: str = "") -> list[Row]:
    """All lines, in order. `why`: what led to the plan, in one line."""
    found = [_choice(i, choice, scenario, survey, why) for i, choice in enumerate(choices)]
    found += [*_calls(survey), _checks(survey)]
    found += [_tenants(survey)] if scenario.vantages.tenants is not None and not scenario.systemvm else []
    found += [_field(f, scenario, survey) for f in FIELDS if f.section == "vantages" and _applies(f, scenario)]
    found.append(_lanes(survey))
    found += [_field(f, scenario, survey) for f in FIELDS if f.section == "lanes"]
    return [*found, *(_field(f, scenario, survey) for f in FIELDS if f.section in ("phases", "budget", "run"))]


def _applies(field: Field, scenario: Scenario) -> bool:
    if scenario.systemvm:
        return field.id == "outside"
    return scenario.vantages.tenants is not None or field.id not in _OF_TENANTS


def summary(survey: Survey | None) -> str:
    """Tenants, lanes and checks in a few words."""
    if survey is None:
        return WAITING
    tenants = f"{survey.reached} of {len(survey.tenants)} tenants · " if survey.tenants else ""
    return f"{tenants}{sum(n for _, n in survey.lanes)} lanes · preflight: {_counted(survey)}"


def _counted(survey: Survey) -> str:
    counts = {level: sum(f.level is level for f in survey.findings) for level in LEVELS}
    return ", ".join(f"{n} {level.value}" for level, n in counts.items() if n) or "no checks"


def _choice(index: int, choice: Choice, scenario: Scenario, survey: Survey | None, why: str) -> Row:
    chosen = choice.operation == scenario.operation and (choice.kind, choice.id) == scenario.target
    mark = "●" if chosen else "×" if choice.why_not else "○"
    tail = choice.why_not or choice.note
    word = f"recommended: {tail}" if choice.recommended else tail
    style = "$faint" if choice.why_not else "b $success" if choice.recommended else ""
    about: list[Line] = [((clean(choice.title), "b"), (f"   {clean(word)}", "$muted"))]
    if choice.why_not:
        about = [((clean(choice.title), "b"),), (("It does not fit: ", "$warning"), (clean(choice.why_not), ""))]
    elif chosen:
        about += [(("Because      ", "$muted"), (clean(why), ""))] if why else []
        about += _planned(survey)
    parts: list[Part] = [(f"{mark} ", "$accent" if chosen else style), (fit(clean(choice.title, 60), 34), style)]
    return Row(
        f"{CHOICE}-{index}", "operation", (*parts, (f" {clean(word)}", "$faint" if choice.why_not else "$muted")),
        tuple(about), "" if choice.why_not else "Enter chooses it",
    )  # fmt: skip


def _planned(survey: Survey | None) -> list[Line]:
    if survey is None:
        return [((WAITING, "$muted"),)]
    if survey.refused:
        return [(("It cannot be done: ", "b $error"), (clean(survey.refused), ""))]
    if survey.planned is None:
        return [(("Nothing is called: the run only measures, until you end it.", ""),)]
    lines: list[Line] = [(("Consequence  ", "$muted"), (clean(survey.planned.consequence, 1_000), "$warning"))]
    if survey.planned.destructive:
        lines.append((("It cannot be undone. ", "b $warning"), ("Its target's name has to be typed.", "")))
    return lines


def _tenants(survey: Survey | None) -> Row:
    if survey is None:
        return Row(f"{FACT}-tenants", "vantages", _pair("tenants", WAITING, "$muted"))
    out = [t for t in survey.tenants if t.left_out]
    text = f"{survey.reached} of {len(survey.tenants)} VMs have a way to them"
    style = "$warning" if out or not survey.tenants else "$success"
    ways = sorted({t.way for t in survey.tenants if t.way})
    about: list[Line] = [((f"{text}.", "b"), (f" {clean('; '.join(ways[:3]))}" if ways else "", "$muted"))]
    about += [_tenant(t) for t in sorted(survey.tenants, key=lambda t: not t.left_out)[:SHOWN_TENANTS]]
    if len(survey.tenants) > SHOWN_TENANTS:
        about.append(((f"and {len(survey.tenants) - SHOWN_TENANTS} more", "$muted"),))
    return Row(f"{FACT}-tenants", "vantages", _pair("tenants", text, style), tuple(about), "Enter shows all")


def _tenant(t: TenantWay) -> Line:
    name = (fit(clean(t.name, 60), 18) + " ", "")
    if t.left_out:
        return (name, (f"left out: {clean(t.left_out)}", "$warning"))
    return (name, (f"{clean(t.address, 60)}  ", "$primary"), (clean(t.way), "$muted"))


def _field(field: Field, scenario: Scenario, survey: Survey | None) -> Row:
    text = clean(field.show(scenario))
    given = dict(survey.given).get(field.id, "") if survey is not None else ""
    lacks = survey is not None and field.id in survey.missing
    shown = text or clean(given) or field.empty
    style = "b $error" if lacks and not text else "" if text else "$muted"
    about: Line = ((f"{field.label}: ", "b"), (field.hint, ""))
    return Row(
        f"{FIELD}-{field.id}", field.section, _pair(field.label, shown, style), (about, ((shown, style),)),
        "Enter changes it",
    )  # fmt: skip


def _lanes(survey: Survey | None) -> Row:
    if survey is None:
        return Row(f"{FACT}-lanes", "lanes", _pair("lanes", WAITING, "$muted"))
    total = sum(n for _, n in survey.lanes)
    text = " · ".join(f"{name} {n}" for name, n in survey.lanes) or "none fits this target and these vantages"
    left = f", {len(survey.left_out)} left out" if survey.left_out else ""
    about: list[Line] = [((f"{total} lanes{left}. ", "b"), (text, ""))]
    about += [
        (("left out  ", "$warning"), (f"{clean(str(lane.service))} {clean(lane.what)}: {clean(lane.why)}", ""))
        for lane in survey.left_out
    ]
    style = "" if total else "b $error"
    return Row(
        f"{FACT}-lanes", "lanes", _pair("lanes", f"{total}{left}: {text}", style), tuple(about), "Enter shows all"
    )


def _checks(survey: Survey | None) -> Row:
    if survey is None:
        return Row(f"{FACT}-checks", "preflight", _pair("checks", WAITING, "$muted"))
    text, found = _counted(survey), {f.level for f in survey.findings}
    worst = next((level for level in (Level.STOP, Level.WARN) if level in found), None)
    titles = [f.title for f in survey.findings if f.level is worst]
    more = f"   {worst.value}: {', '.join(titles)}" if worst is not None else ""
    about: list[Line] = []
    for f in sorted(survey.findings, key=lambda f: list(LEVELS).index(f.level)):
        if f.level is Level.PASS:
            continue
        about.append(((fit(f.level.value, 8), LEVELS[f.level]), (f"{f.title}: ", "b"), (clean(f.evidence), "")))
        about += [((" " * 8, ""), (f"→ {f.remedy}", "$muted"))] if f.remedy else []
    if passed := ", ".join(f.title for f in survey.findings if f.level is Level.PASS):
        about.append(((fit("pass", 8), LEVELS[Level.PASS]), (passed, "")))
    style = LEVELS[worst] if worst is not None else "$success"
    return Row(f"{FACT}-checks", "preflight", _pair("checks", text + more, style), tuple(about), "Enter shows all")


def _calls(survey: Survey | None) -> Iterator[Row]:
    if survey is None:
        yield Row(f"{FACT}-calls", "API calls", ((WAITING, "$muted"),))
        return
    about = tuple(_planned(survey))
    if survey.refused:
        yield Row(f"{FACT}-calls", "API calls", ((clean(survey.refused), "b $error"),), about, "Enter shows all")
        return
    calls = survey.planned.calls if survey.planned is not None else ()
    lines: tuple[Line, ...] = tuple(((f"  {clean(call)}", "$primary"),) for call in calls)
    if not calls:
        yield Row(f"{FACT}-calls", "API calls", (("none: the run only measures", "$muted"),), about)
    for i, call in enumerate(calls):
        name = f"{FACT}-calls" + (f"-{i}" if i else "")
        yield Row(name, "API calls", ((clean(call), "$primary"),), (*about, *lines), "Enter shows all")


def _pair(label: str, text: str, style: str = "") -> Line:
    return ((fit(label, LABEL), "$muted"), (text, style))


def lines_of(found: Sequence[Row], cells: int) -> Iterator[Line]:
    """The rows as they are drawn: the section's name before its first row, cut to the width."""
    before = ""
    for row in found:
        section = "" if row.section == before else row.section
        before = row.section
        room = max(0, cells - SECTION)
        parts: list[Part] = [(fit(section, SECTION), "b $secondary")]
        for text, style in row.parts:
            cut = text if width(text) <= room else fit(text, room).rstrip()
            parts.append((cut, style))
            room = max(0, room - width(text))
        yield tuple(parts)
