"""What the refusals of a limit teach, on a clock that jumps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_pandas.run.pace.learning import Learned, Slot, accept, begin, refuse
from tests.run.pace.limiters import Bucket, Limiter, Sliding, Window, simulate

FIRST = Slot(0, 0.0)


def searching() -> Learned:
    return begin(FIRST, pace=100.0, known=False, granted=0, now=0.0)


def sure(rate: float = 10.0) -> Learned:
    return replace(searching(), rate=rate, measured=rate, sure=True, climb=250.0, top=rate)


@settings(max_examples=15, deadline=None)
@given(
    rate=st.floats(0.5, 20.0),
    burst=st.integers(2, 60),
    seed=st.integers(0, 10**6),
)
def test_a_bucket_of_any_rate_and_burst_is_learned(rate: float, burst: int, seed: int) -> None:
    result = simulate(Bucket(rate, burst), seed=seed, requests=1_500)

    assert result.share > 0.85
    assert result.refused < 0.06


@pytest.mark.parametrize(
    "limiter", [Window(100, 60.0), Window(100, 60.0, 25.0), Sliding(120, 60.0), Window(5, 1.0)]
)
def test_windows_are_learned_too(limiter: Limiter) -> None:
    result = simulate(limiter, seed=1, requests=1_500)

    assert result.share > 0.85
    assert result.refused < 0.06


def test_refusals_of_what_left_before_the_news_came_are_no_news() -> None:
    before = refuse(searching(), Slot(1, 1.0), granted=30, now=1.1)

    after = refuse(before, Slot(20, 1.05), granted=31, now=1.2)

    assert (after.rate, after.in_a_row) == (before.rate, before.in_a_row)
    assert after.lost == before.lost + 1


def test_the_search_goes_down_until_something_is_accepted() -> None:
    learned, rates = searching(), [searching().rate]

    for number in range(1, 8):
        learned = refuse(learned, Slot(number, float(number)), granted=number, now=number)
        rates.append(learned.rate)

    assert rates == sorted(rates, reverse=True)
    assert learned.probe <= 60.0


def test_a_closed_window_makes_probes_rare_and_leaves_the_rate() -> None:
    learned, probes = sure(), []

    for number in range(1, 12):
        learned = refuse(learned, Slot(number, float(number)), granted=number, now=number)
        probes.append(learned.probe)

    assert learned.rate == 10.0
    assert probes == sorted(probes)
    assert probes[-1] == 60.0


def test_what_went_through_between_two_refusals_is_the_rate() -> None:
    before = replace(sure(10.2), climb=2_000.0)

    learned = refuse(before, Slot(201, 20.0), granted=201, now=20.0)

    assert learned.measured == pytest.approx(10.0)
    assert learned.rate == pytest.approx(10.0, rel=0.02)


def test_two_estimates_that_agree_make_the_next_step_slower() -> None:
    once = refuse(sure(), Slot(101, 10.0), granted=101, now=10.0)
    twice = refuse(once, Slot(202, 20.0), granted=202, now=20.0)
    disagreeing = refuse(once, Slot(202, 14.0), granted=202, now=14.0)

    assert once.climb < twice.climb
    assert disagreeing.climb < twice.climb


def test_a_service_that_closes_for_long_is_probed_more_rarely() -> None:
    plain = refuse(sure(), Slot(101, 10.0), granted=101, now=10.0)
    closing = refuse(sure(), Slot(101, 10.0), granted=101, now=10.0, wait=30.0)

    assert closing.climb > plain.climb


def test_a_known_limit_is_left_by_little() -> None:
    learned = begin(Slot(7, 1.0), pace=10.0, known=True, granted=7, now=1.0)

    assert 9.8 < learned.pace(7) < 10.0
    assert learned.pace(300) > 10.0


@given(asked=st.integers(0, 10**9), is_sure=st.booleans(), rate=st.floats(0.02, 1_000.0))
def test_the_pace_climbs_and_stays_finite(asked: int, is_sure: bool, rate: float) -> None:  # noqa: FBT001 - hypothesis gives it by name
    learned = replace(searching(), sure=is_sure, rate=rate)

    assert rate <= learned.pace(asked) <= learned.pace(asked + 1) < 1e12


def test_a_probe_accepted_after_a_long_closure_takes_up_the_average_so_far() -> None:
    closed = replace(searching(), rate=0.1, since=9)

    opened = accept(closed, Slot(10, 60.0), granted=10, average=1.6, accepted=100)

    assert opened.rate == 1.6
    assert opened.sure


@pytest.mark.parametrize(
    ("learned", "slot", "average"),
    [
        (replace(searching(), rate=0.1), Slot(0, 1.0), 1.6),
        (replace(searching(), rate=5.0), Slot(1, 1.0), 9.0),
        (replace(searching(), rate=0.1), Slot(1, 1.0), 0.05),
        (sure(0.1), Slot(1, 1.0), 1.6),
    ],
)
def test_other_answers_change_nothing(learned: Learned, slot: Slot, average: float) -> None:
    assert accept(learned, slot, granted=1, average=average, accepted=100) is learned
