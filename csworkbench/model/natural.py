# SPDX-License-Identifier: Apache-2.0
"""Order as people count: vm2 before vm10, 4.9 before 4.11."""

import re

_NUMBER = re.compile(r"(\d{1,18})")


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """What to sort names and versions by: words without regard to case, numbers in them by value."""
    return tuple(
        (int(part), "") if index % 2 else (-1, part) for index, part in enumerate(_NUMBER.split(text.casefold()))
    )
