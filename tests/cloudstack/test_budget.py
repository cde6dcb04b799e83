# SPDX-License-Identifier: Apache-2.0
import asyncio
import itertools

from csworkbench.cloudstack.budget import RateBudget

from .support import HandClock


async def grants(budget: RateBudget, clock: HandClock, n: int) -> list[int]:
    taken = []
    for _ in range(n):
        await budget.take()
        taken.append(clock.ns)
    return taken


async def test_never_more_than_five_in_any_second() -> None:
    clock = HandClock()
    taken = await grants(RateBudget(clock.clock_ns, clock.sleep), clock, 40)
    assert all(later - earlier >= 1_000_000_000 for earlier, later in zip(taken, taken[5:], strict=False))
    assert taken[-1] - taken[0] < 8_500_000_000


async def test_a_lower_limit_of_the_server_is_kept_and_spread() -> None:
    clock = HandClock()
    budget = RateBudget(clock.clock_ns, clock.sleep)
    budget.respect(100, 60)
    taken = await grants(budget, clock, 20)
    assert all(later - earlier >= 750_000_000 for earlier, later in itertools.pairwise(taken))


async def test_a_higher_limit_or_nonsense_changes_nothing() -> None:
    clock = HandClock()
    budget = RateBudget(clock.clock_ns, clock.sleep)
    for calls, seconds in [(25, 1), (0, 1), (-1, 5), (5, 0)]:
        budget.respect(calls, seconds)
    taken = await grants(budget, clock, 5)
    assert taken[-1] - taken[0] < 100_000_000


async def test_waiting_callers_are_served_in_order() -> None:
    clock, order = HandClock(), []
    budget = RateBudget(clock.clock_ns, clock.sleep, calls=1)

    async def caller(n: int) -> None:
        await budget.take()
        order.append(n)

    await asyncio.gather(*(caller(n) for n in range(6)))
    assert order == list(range(6))
