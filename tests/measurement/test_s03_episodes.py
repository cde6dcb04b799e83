# SPDX-License-Identifier: Apache-2.0
"""S3: two estimators, and what belongs together."""

from hypothesis import given, settings
from hypothesis import strategies as st

from csworkbench.measurement.episode import APART_NS, Episode, episodes
from tests.measurement.ground_truth import MS, T0, S, Truth, baseline, fold, probe

INTERVAL = 100 * MS


def of(truth: Truth, count: int = 300, interval: int = INTERVAL) -> list[Episode]:
    return episodes(fold(probe(truth, count, interval), baseline(truth), interval).stretches, interval)


def test_s3_half_the_samples_lost_in_turn_is_one_intermittent_episode() -> None:
    (episode,) = of(Truth(lost=frozenset(range(100, 200, 2))))
    assert episode.intermittent
    assert (episode.outages, episode.lost) == (50, 50)
    assert abs(episode.loss - 0.5) < 0.01
    assert abs(episode.by_loss_ns - 5 * S) <= 2 * INTERVAL, "not one long outage, nor a hundred blips"


@given(st.integers(5 * 10**8, 8 * 10**9), st.integers(0, INTERVAL))
@settings(max_examples=60)
def test_s3_both_estimators_agree_within_the_spacing_for_a_solid_outage(length: int, phase: int) -> None:
    truth = Truth(downs=((T0 + 3 * S + phase, T0 + 3 * S + phase + length),))
    (episode,) = of(truth)
    assert not episode.intermittent
    assert episode.outages == 1
    assert episode.loss == 1.0
    assert abs(episode.by_loss_ns - length) <= INTERVAL + MS + truth.rtt
    assert abs(episode.by_loss_ns - (episode.last_fail_ns - episode.first_fail_ns)) <= INTERVAL + MS


@given(st.integers(1, 30), st.sampled_from([100 * MS, S]))
@settings(max_examples=40)
def test_s3_outages_less_than_a_second_or_five_samples_apart_belong_together(oks: int, interval: int) -> None:
    lost = frozenset([*range(60, 66), *range(66 + oks, 70 + oks)])
    found = of(Truth(lost=lost), 120, interval)
    apart = (oks + 1) * interval < max(APART_NS, 5 * interval) + MS  # the prober's jitter
    near_limit = abs((oks + 1) * interval - max(APART_NS, 5 * interval)) <= MS
    assert len(found) == (1 if apart else 2) or near_limit
    if len(found) == 1:
        assert found[0].loss == 10 / (10 + oks)
        assert found[0].intermittent == (10 / (10 + oks) < 0.9)


def test_s3_unknown_samples_do_not_count_in_the_loss() -> None:
    truth = Truth(lost=frozenset(range(100, 120)), unheard=frozenset(range(105, 110)))
    (episode,) = of(truth)
    assert (episode.lost, episode.loss) == (15, 1.0)
    assert abs(episode.by_loss_ns - 2 * S) <= 2 * INTERVAL


def test_s3_a_lane_without_losses_has_no_episode() -> None:
    assert of(Truth()) == []
