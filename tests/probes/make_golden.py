# SPDX-License-Identifier: Apache-2.0
"""Writes golden/spool-v1.bin and .json from fixed values: `python tests/probes/make_golden.py`.

The bytes are packed here, field by field as FORMAT.md lists them, and not by the prober: three implementations (this
one, the prober's writer, the workbench's reader) must agree.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden"
START_MONO = 1_000_000_000_000
START_REAL = 1_790_000_000_000_000_000
RUN = "000102030405060708090a0b0c0d0e0f"
INTERVAL = 100_000_000

HEADER = {
    "magic": "CSWSPOOL",
    "version": 1,
    "record_size": 56,
    "pid": 4321,
    "start_mono": START_MONO,
    "start_real": START_REAL,
    "run": RUN,
}
FIELDS = (
    *("number", "lane", "kind", "outcome", "reason", "flags", "detail", "seq"),
    *("intended", "sent", "received", "value", "aux"),
)


def sample(lane: int, seq: int, outcome: int, reason: int, **more: int) -> dict[str, int]:
    """A verdict: sent 20 µs after it was due, answered 300 µs later unless told otherwise."""
    intended = START_MONO + lane * 10_000_000 + seq * INTERVAL
    sent = intended + 20_000
    row = {"lane": lane, "kind": 1, "outcome": outcome, "reason": reason, "seq": seq, "intended": intended}
    row["sent"] = sent
    row["received"] = sent + 300_000 if reason in {0, 2, 3, 4, 5, 6, 7} else 0
    return {**row, **more}


def rows() -> list[dict[str, int]]:
    address = int.from_bytes(bytes([203, 0, 113, 10]), "big")
    first_mac, second_mac = 0x0250_5600_0001, 0x0250_5600_0002
    far = 0xFFFF_FFFF
    listed = [
        {"lane": 0xFFFF, "kind": 2, "sent": START_MONO, "aux": START_REAL},
        sample(0, 0, 0, 0, flags=3, value=address),
        sample(1, 0, 0, 0, flags=2, value=address),
        sample(2, 0, 0, 0, flags=3, value=first_mac),
        {**sample(2, 0, 0, 0, flags=3, value=second_mac), "kind": 5, "received": START_MONO + 20_900_000},
        sample(3, 0, 0, 0, flags=1),
        sample(4, 0, 0, 0, flags=2, value=0xCBF43926),
        sample(0, 1, 1, 1),
        {**sample(0, 1, 0, 0, flags=3, value=address), "kind": 4, "received": START_MONO + 1_500_000_000},
        sample(3, 1, 1, 2, flags=1),
        sample(3, 2, 1, 2, flags=3, detail=0x0303, value=address),
        sample(4, 1, 1, 3, detail=104),
        sample(0, 2, 1, 4, flags=3, detail=0x0301, value=address),
        sample(0, 3, 1, 4, detail=101, received=0),
        sample(1, 1, 1, 4, detail=113, received=0),
        sample(4, 2, 1, 5, flags=2, value=0x12345678),
        sample(4, 3, 1, 6),
        sample(0, 4, 2, 16, sent=0),
        sample(0, 5, 2, 16),
        sample(0, 6, 2, 17, detail=105),
        sample(4, 4, 2, 17, detail=24),
        sample(0, 7, 2, 18),
        sample(5, 0, 1, 7, detail=0x20),
        sample(5, 1, 0, 0, flags=2, detail=2, value=second_mac),
        sample(6, 0, 0, 0),
        {**sample(6, 0, 0, 0, flags=3, value=second_mac, detail=2, sent=0), "kind": 6},
        {"lane": 0xFFFF, "kind": 2, "sent": START_MONO + 1_000_000_000, "aux": START_REAL + 1_000_000_123},
        sample(0xFFFE, far, 0, 0, flags=3, value=2**64 - 1, intended=2**63, sent=2**63 + 1, received=2**64 - 1),
    ]
    listed.append({"lane": 0xFFFF, "kind": 3, "reason": 2, "detail": 28, "sent": START_MONO + 2_000_000_000})
    listed[-1]["aux"] = len(listed) - 1
    return [{**dict.fromkeys(FIELDS, 0), **row, "number": number} for number, row in enumerate(listed)]


def golden_json() -> str:
    lines = ",\n".join("  " + json.dumps(row) for row in rows())
    return f'{{"header": {json.dumps(HEADER)},\n "records": [\n{lines}\n]}}\n'


def golden_bytes() -> bytes:
    values: dict[str, Any] = HEADER
    out = struct.pack("<8sHHI", b"CSWSPOOL", values["version"], values["record_size"], values["pid"])
    out += struct.pack("<QQ", values["start_mono"], values["start_real"]) + bytes.fromhex(RUN) + bytes(16)
    for row in rows():
        out += struct.pack("<IHBB", row["number"], row["lane"], row["kind"], row["outcome"])
        out += struct.pack("<BBHI", row["reason"], row["flags"], row["detail"], row["seq"])
        out += struct.pack("<QQQQQ", *(row[name] for name in FIELDS[8:]))
    return out


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    (GOLDEN / "spool-v1.bin").write_bytes(golden_bytes())
    (GOLDEN / "spool-v1.json").write_text(golden_json(), encoding="utf-8")
