# SPDX-License-Identifier: Apache-2.0
"""Names and versions in the order in which people count."""

from hypothesis import given
from hypothesis import strategies as st

from csworkbench.model.natural import natural


def test_numbers_count_by_value_and_words_come_before_them() -> None:
    wanted = ["4.9", "4.11", "10.1.1.2", "10.1.1.10", "r-2-VM", "R-9-vm", "r-10-VM", "s-1-VM", "s-1-VM2"]
    assert sorted(set(wanted), key=natural) == wanted


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_two_texts_can_be_compared(one: str, other: str) -> None:
    assert (natural(one) < natural(other)) or natural(one) >= natural(other)


@given(st.integers(0, 10**18 - 1), st.integers(0, 10**18 - 1))
def test_numbers_between_the_same_words(one: int, other: int) -> None:
    assert (natural(f"r-{one}-VM") < natural(f"r-{other}-VM")) == (one < other)
