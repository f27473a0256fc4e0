"""How long a row waits before it is asked again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.model import Failure
from asr_pandas.run.retry import wait_before_next

CHANCE = st.floats(0, 1, exclude_max=True)
THROTTLED = Failure(kind="rate_limit", message="", retry="again")
BROKEN = Failure(kind="server", message="", retry="again")


@given(attempts=st.integers(1, 99), chance=CHANCE, retry=st.sampled_from(["no", "stop"]))
def test_what_is_hopeless_is_not_asked_again(attempts: int, chance: float, retry: str) -> None:
    failure = Failure(kind="too_long", message="", retry=retry)  # type: ignore[arg-type]

    assert wait_before_next(failure, attempts=attempts, chance=chance) is None


@given(chance=CHANCE)
def test_a_rate_limit_is_borne_for_longer_than_the_minute_it_lasts(chance: float) -> None:
    longest = [
        wait_before_next(THROTTLED, attempts=attempts, chance=0.999) for attempts in range(1, 11)
    ]

    assert wait_before_next(BROKEN, attempts=5, chance=chance) is None
    assert longest[-1] is None
    assert max(wait for wait in longest if wait) > 60


@given(attempts=st.integers(1, 4), chance=CHANCE, asked=st.floats(0, 86_400))
def test_the_wait_is_at_least_what_the_service_asks_for(
    attempts: int, chance: float, asked: float
) -> None:
    failure = Failure(kind="server", message="", retry="again", retry_after=asked)

    wait = wait_before_next(failure, attempts=attempts, chance=chance)

    assert wait is not None
    assert asked <= wait <= asked + 2 ** (attempts - 1)
