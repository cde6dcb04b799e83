# SPDX-License-Identifier: Apache-2.0
"""Downtime by environment and strategy: the form in which ShapeBlue published what a restart costs.

Rows are environments, columns strategies. A reduction is always against the base strategy in the same row.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from csworkbench.model.lane import Service

from .arms import Arm, differing
from .comparison import ArmFigures, RunRecord, compare_records
from .comparison_tables import cell_text
from .tables import printable

Place = tuple[str, str]
HOW_TO_READ = (
    "A cell has the average (lowest) downtime of a run in seconds, the number of runs with the 95 % interval of the "
    "average, and the reduction against {base} in the same row: average (highest) with its 95 % interval, and how "
    "likely such a difference is when there is none (p)."
)
NOTHING_SEEN = (
    "none seen: no probe was lost in any run; 0.00: in a run. An outage shorter than the time between two probes may "
    "not have been seen."
)


@dataclass(frozen=True, slots=True)
class StrategyTable:
    """Cells by service and (environment, strategy); more than one of figures where a cell has arms that differ.

    `base`: the strategy that the others are held against. `legend`: what is behind the names. `notes`: what must be
    said beside the figures.
    """

    environments: tuple[str, ...]
    strategies: tuple[str, ...]
    base: str
    services: dict[Service, dict[Place, tuple[ArmFigures, ...]]]
    apart: dict[Arm, str]
    legend: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def table_of(records: Sequence[RunRecord], base: str = "") -> StrategyTable:
    """Group and compare row by row. `base`: a run of the strategy to compare with, by default the first that counts.

    Raises LookupError when no run counts.
    """
    records = list({record.run: record for record in records}.values())
    counted = [record for record in records if not record.why]
    first = next((r for r in counted if r.run == base), None) if base else next(iter(counted), None)
    if first is None:
        raise LookupError(f"{base}: not among the runs that count" if base else "no run to compare")
    environments = tuple(dict.fromkeys(r.arm.environment for r in counted))
    ways = dict.fromkeys([first.arm.way, *(r.arm.way for r in counted)])
    services: dict[Service, dict[Place, tuple[ArmFigures, ...]]] = {}
    warned: dict[str, list[str]] = {}
    for environment in environments:
        row = [r for r in counted if r.arm.environment == environment]
        likely = Counter(r.arm for r in row if r.arm.way == first.arm.way).most_common(1)
        run = next((r.run for r in row if likely and r.arm == likely[0][0]), "")
        found = compare_records(row, run)
        for service, figures in found.services.items():
            cells = services.setdefault(service, {})
            for f in figures:
                place = (environment, f.arm.way)
                cells[place] = (*cells.get(place, ()), f if run else replace(f, reduction=None))
        for arm, words in found.warnings:
            warned.setdefault(words, []).append(found.labels[arm])
    left = dict.fromkeys(f"left out: {r.run}: {r.why}" for r in records if r.why)
    arms = list(dict.fromkeys(r.arm for r in counted))
    ordered = {service: services[service] for service in Service if service in services}
    notes = [f"{words}: {'; '.join(names)}" for words, names in warned.items()]
    said = tuple(printable(note) for note in [*_measured(ordered), *notes, *left])
    return StrategyTable(environments, tuple(ways), first.arm.way, ordered, differing(arms), tuple(_legend(arms)), said)


def cell_lines(figures: ArmFigures) -> list[str]:
    """Average (lowest), runs and interval, and the reduction: a line each."""
    s, r = figures.spread, figures.reduction
    seen = s.highest > 0  # an interval of nothing but zeros would say more than is known
    interval = f", [{s.interval[0]:.2f}, {s.interval[1]:.2f}]" if seen and s.interval is not None else ""
    lines = [f"{s.mean:.2f} s ({s.lowest:.2f})", f"n {s.n}{interval if seen else ', none seen'}"]
    if r is not None:
        lines.append(f"reduction {percent(r.average)} ({percent(r.highest)})")
        within = f"[{percent(r.interval[0])}, {percent(r.interval[1])}]" if seen and r.interval is not None else ""
        chance = "" if r.p is None else f"p {r.p:.3f}" if r.p >= 0.001 else "p < 0.001"
        lines.append(", ".join(word for word in (within, chance) if word))
    return [line for line in lines if line]


def percent(share: float) -> str:
    """`82 %`; nearly all is never told as all."""
    if 0.99 <= share < 1:
        return f"{int(share * 1000) / 10:.1f} %"
    return f"{share * 100:.0f} %"


def markdown(table: StrategyTable, title: str) -> str:
    """The table as Markdown, one per service. Names came from scenarios and the API: they are made harmless."""
    lines = [f"# Downtime by environment and strategy: {cell_text(title)}", "", how_to_read(table, cell_text)]
    for service, cells in table.services.items():
        lines += ["", f"## {service}", "", _row(["environment", *map(cell_text, table.strategies)])]
        lines.append("|---" * (len(table.strategies) + 1) + "|")
        for environment in table.environments:
            row = [_markdown(table, cells.get((environment, strategy), ())) for strategy in table.strategies]
            lines.append(_row([cell_text(environment), *row]))
    lines += ["", "## What is behind the names", ""]
    lines += [f"- **{cell_text(name)}**: {cell_text(words)}" for name, words in table.legend]
    lines += ["", *(f"- {cell_text(note)}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def how_to_read(table: StrategyTable, tame: Callable[[str], str] = printable) -> str:
    """What a cell has."""
    return HOW_TO_READ.format(base=tame(table.base))


def _markdown(table: StrategyTable, found: Sequence[ArmFigures]) -> str:
    told = []
    for figures in found:
        first, *more = cell_lines(figures)
        apart = [cell_text(table.apart[figures.arm])] if len(found) > 1 else []
        told.append("<br>".join([*apart, f"**{first}**", *more]))
    return "<br><br>".join(told) or "–"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _measured(services: dict[Service, dict[Place, tuple[ArmFigures, ...]]]) -> list[str]:
    every = [f for cells in services.values() for found in cells.values() for f in found]
    notes = [
        f"{service}: a run's own figure is good to ± {max(f.bound_s for found in cells.values() for f in found):.2f} s"
        " (half its widest bounds)"
        for service, cells in services.items()
    ]
    notes += [NOTHING_SEEN] if any(value == 0 for f in every for value in f.values) else []
    tests = sorted({f.reduction.test for f in every if f.reduction and f.reduction.p is not None})
    return notes + [f"p: {test}" for test in tests]


def _legend(arms: Sequence[Arm]) -> Iterable[tuple[str, str]]:
    """What all arms have in common, then what each row and each column has beyond that."""
    everywhere = _common(arms)
    yield "all", _words(everywhere)
    for environment in dict.fromkeys(arm.environment for arm in arms):
        own = _common([arm for arm in arms if arm.environment == environment])
        yield environment, _words(own - everywhere)
    for way in dict.fromkeys(arm.way for arm in arms):
        of_way = [arm for arm in arms if arm.way == way]
        operations = " or ".join(dict.fromkeys(arm.operation for arm in of_way))
        yield way, "; ".join(word for word in (operations, _words(_common(of_way) - everywhere)) if word)


def _common(arms: Sequence[Arm]) -> set[tuple[str, str]]:
    return set.intersection(*(set(arm.conditions) for arm in arms))


def _words(conditions: Iterable[tuple[str, str]]) -> str:
    return "; ".join(f"{name} {value}" for name, value in sorted(conditions)) or "nothing else"
