# SPDX-License-Identifier: Apache-2.0
"""ShapeBlue's test bed through the API: planned, built, looked at and removed, with a journal on disk."""

from .build import BedFailed, Builder
from .choose import Ambiguous, Chosen, Wishes, choose
from .ledger import Bed, Ledger, LedgerError, Made, Progress, read_ledger
from .plan import BedSpec, Step, batches, forwards
from .remove import Remover
from .survey import Item, Seen, complete, items, look

__all__ = [
    "Ambiguous",
    "Bed",
    "BedFailed",
    "BedSpec",
    "Builder",
    "Chosen",
    "Item",
    "Ledger",
    "LedgerError",
    "Made",
    "Progress",
    "Remover",
    "Seen",
    "Step",
    "Wishes",
    "batches",
    "choose",
    "complete",
    "forwards",
    "items",
    "look",
    "read_ledger",
]
