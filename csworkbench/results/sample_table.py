# SPDX-License-Identifier: Apache-2.0
"""Every sample as a row of text, some thousands at a time: a run may have ten million."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from csworkbench.model.event import Phase
from csworkbench.model.sample import Outcome, Reason
from csworkbench.model.sample_rows import SampleRows
from csworkbench.model.state import LaneState

from .run_result import RunResult
from .times import SECOND_NS, rfc3339

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

ROWS = 8192
FIELDS = ("seq", "intended", "sent", "received", "outcome", "reason", "detail", "value")
PACKED = "<i8,<i8,<i8,<i8,u1,u1,<i8,<i8"  # as in SampleRows
PREPARE = str(Phase.PREPARE)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some samples of one lane in their order. Columns are of one length; stamps in ns as in samples.csv.

    `raw` has the columns of Sample; `wall` is ns since 1970, `late` true for an answer after its verdict.
    """

    lane: LaneState
    raw: Any
    at: "NDArray[int64]"
    bound: "NDArray[int64]"
    wall: "NDArray[int64]"
    rtt: "NDArray[int64]"
    late: Any
    phases: list[str]


def chunks(result: RunResult) -> Iterator[Chunk]:
    """All samples, by lane and in order of their number."""
    import numpy as np  # noqa: PLC0415 - `show` needs none of it

    state = result.state
    starts = [(at, str(phase)) for phase, at, _ in state.phases]
    names = [PREPARE, *(name for _, name in starts)]
    # The last phase that began before: also right should one begin before the one that it follows.
    edges = np.minimum.accumulate(np.array([at for at, _ in starts], dtype=np.int64)[::-1])[::-1]
    offset = state.started_wall_ns - state.started_ns
    for lane_id in sorted(state.lanes):
        lane = state.lanes[lane_id]
        late = np.array(sorted({sample.seq for sample in lane.late}), dtype=np.int64)
        for raw in _ordered(lane.samples):
            own = np.where(raw["sent"] != 0, raw["sent"], raw["intended"])
            at, bound = result.analysis.place(lane.lane.vantage, own)
            rtt = np.where((raw["received"] != 0) & (raw["sent"] != 0), raw["received"] - raw["sent"], 0)
            places = np.searchsorted(edges, at, side="right").tolist()
            yield Chunk(
                lane, raw, at, bound, at + offset, np.maximum(rtt, 0), np.isin(raw["seq"], late),
                [names[place] for place in places],
            )  # fmt: skip


def _ordered(rows: SampleRows) -> Iterator[Any]:
    """As numpy records, in the order of Sample. Rows that came in order, as most do, are never all in memory."""
    import numpy as np  # noqa: PLC0415

    def read(start: int, stop: int) -> Any:
        return np.frombuffer(rows.raw(start, stop), dtype=np.dtype(PACKED)).view(
            np.dtype(list(zip(FIELDS, PACKED.split(","), strict=True)))
        )

    last = -(1 << 63)
    for at in range(0, len(rows), ROWS):
        seqs = read(at, at + ROWS)["seq"]
        if seqs[0] <= last or not (seqs[1:] > seqs[:-1]).all():
            whole = np.sort(read(0, len(rows)), order=FIELDS)
            yield from (whole[start : start + ROWS] for start in range(0, len(whole), ROWS))
            return
        last = int(seqs[-1])
    for at in range(0, len(rows), ROWS):
        yield read(at, at + ROWS)


def csv_text(chunk: Chunk, head: Sequence[object]) -> str:
    """The chunk as rows of samples.csv; `head` are the lane's cells, made harmless."""
    front = _csv_cells(head)
    raw = chunk.raw
    # Most samples were sent, answered and say no more: one template for them, cell by cell for the others.
    plain = (raw["sent"] != 0) & (raw["received"] != 0) & ~chunk.late & (chunk.wall >= 0)
    tails = [
        _tail(*told)
        for told in zip(
            raw["outcome"].tolist(), raw["reason"].tolist(), raw["detail"].tolist(), raw["value"].tolist(), strict=True
        )
    ]
    seconds, rest = chunk.wall // SECOND_NS, chunk.wall % SECOND_NS // 1000
    lines = [
        f"{front},{seq},{phase},{_second(second)}.{rest:06d}Z,{at},{sent},{bound},{intended},{rtt:.3f},{tail},0"
        for seq, phase, second, rest, at, sent, bound, intended, rtt, tail in zip(
            raw["seq"].tolist(), chunk.phases, seconds.tolist(), rest.tolist(), chunk.at.tolist(), raw["sent"].tolist(),
            chunk.bound.tolist(), raw["intended"].tolist(), (chunk.rtt / 1e6).tolist(), tails, strict=True,
        )
    ]  # fmt: skip
    for place in (~plain).nonzero()[0].tolist():
        cells = [_text(cell) for cell in row(chunk, place)]
        lines[place] = f"{front},{','.join(cells)}"
    lines.append("")
    return "\n".join(lines)


def json_text(chunk: Chunk, columns: Sequence[str], head: Sequence[object]) -> str:
    """The chunk as JSON Lines with the columns of samples.csv; what a sample does not have is null."""
    front = json.dumps(dict(zip(columns, nulled_head(head), strict=False)))[:-1]
    names = columns[len(head) :]
    return "".join(
        f"{front}, {json.dumps(dict(zip(names, typed_row(chunk, place), strict=True)))[1:]}\n"
        for place in range(len(chunk.phases))
    )


def row(chunk: Chunk, place: int) -> list[Any]:
    """The cells of one sample after its lane's; "" for what it does not have."""
    seq, intended, sent, received, outcome, reason, detail, value = chunk.raw[place].tolist()
    at = int(chunk.at[place])
    return [
        seq, chunk.phases[place], rfc3339(int(chunk.wall[place])), at if sent else "", sent or "",
        int(chunk.bound[place]), intended, f"{int(chunk.rtt[place]) / 1e6:.3f}" if received else "",
        Outcome(outcome).name.lower(), Reason(reason).text if reason else "", detail or "", value or "",
        int(chunk.late[place]),
    ]  # fmt: skip


def typed_row(chunk: Chunk, place: int) -> list[Any]:
    """As row, with None for what the sample does not have, the round trip as a number and `late` as true or false."""
    told = [None if cell == "" else cell for cell in row(chunk, place)]
    told[7] = None if told[7] is None else float(told[7])
    told[12] = bool(told[12])
    return told


def nulled_head(cells: Sequence[object]) -> list[object]:
    """A lane's cells, None for a port that it does not have."""
    return [*cells[:-1], None if cells[-1] == "" else cells[-1]]


def _text(cell: object) -> str:
    return cell if isinstance(cell, str) else str(cell)


@lru_cache(maxsize=1024)
def _tail(outcome: int, reason: int, detail: int, value: int) -> str:
    """outcome, reason, detail, value."""
    return f"{Outcome(outcome).name.lower()},{Reason(reason).text if reason else ''},{detail or ''},{value or ''}"


@lru_cache(maxsize=4096)
def _second(second: int) -> str:
    """A second since 1970 in UTC, without its fraction."""
    return rfc3339(second * SECOND_NS)[:19]


def _csv_cells(cells: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
