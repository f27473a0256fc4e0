"""How long a row waits before it is asked again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.model import Failure, Retry, Throttle
from asr_pandas.run.retry import wait_before_next

CHANCE = st.floats(0, 1, exclude_max=True)
THROTTLES: list[Throttle] = ["rate", "burst", "quota", "capacity"]
BROKEN = Failure(kind="server", message="", retry="again")


def refused(throttle: Throttle, retry_after: float | None = None) -> Failure:
    return Failure(
        kind="rate_limit", message="", retry="again", throttle=throttle, retry_after=retry_after
    )


@given(
    attempts=st.integers(1, 99), chance=CHANCE, retry=st.sampled_from(["no", "stop"]),
    throttle=st.sampled_from([None, *THROTTLES]),
)  # fmt: skip
def test_what_is_hopeless_is_not_asked_again(
    attempts: int, chance: float, retry: Retry, throttle: Throttle | None
) -> None:
    failure = Failure(kind="too_long", message="", retry=retry, throttle=throttle)

    assert wait_before_next(failure, attempts=attempts, chance=chance) is None


@given(
    throttle=st.sampled_from(THROTTLES), throttled=st.integers(1, 10**6), others=st.integers(0, 99),
    chance=CHANCE,
)  # fmt: skip
def test_no_row_fails_because_a_limit_lasts(
    throttle: Throttle, throttled: int, others: int, chance: float
) -> None:
    wait = wait_before_next(
        refused(throttle), attempts=throttled + others, throttled=throttled, chance=chance
    )

    assert wait is not None
    assert 0.0 <= wait <= 76.0


@given(throttled=st.integers(0, 99), chance=CHANCE)
def test_a_row_is_given_up_after_five_attempts_that_no_limit_refused(
    throttled: int, chance: float
) -> None:
    waits = [
        wait_before_next(BROKEN, attempts=throttled + own, throttled=throttled, chance=chance)
        for own in range(1, 6)
    ]

    assert waits[-1] is None
    assert None not in waits[:-1]


def test_a_quota_is_waited_for_about_a_minute_and_a_burst_for_seconds() -> None:
    quota = wait_before_next(refused("quota"), attempts=1, throttled=1, chance=0.5)
    burst = wait_before_next(refused("burst"), attempts=1, throttled=1, chance=0.5)

    assert (quota, burst) == (67.5, 2.0)


def test_pauses_grow_while_the_service_lacks_capacity() -> None:
    waits = [
        wait_before_next(refused("capacity"), attempts=n, throttled=n, chance=0.9)
        for n in range(1, 9)
    ]

    assert waits == sorted(waits, key=lambda wait: wait or 0.0)
    assert (waits[-1] or 0.0) > 60.0


@pytest.mark.parametrize("throttle", [None, *THROTTLES])
@given(attempts=st.integers(1, 4), chance=CHANCE, asked=st.floats(0, 1e9))
def test_the_wait_is_at_least_what_the_service_asks_for(
    throttle: Throttle | None, attempts: int, chance: float, asked: float
) -> None:
    failure = Failure(
        kind="server", message="", retry="again", retry_after=asked, throttle=throttle
    )

    wait = wait_before_next(failure, attempts=attempts, chance=chance)

    assert wait is not None
    assert asked <= wait <= asked + 76.0
