"""A short clip is given up early, a long one is waited for, and nobody is waited for forever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.endpoint.deadlines import deadline, longest_pause

DURATIONS = st.floats(allow_nan=True, allow_infinity=True) | st.none()


@given(duration=DURATIONS)
def test_a_hosted_service_is_never_waited_for_longer_than_it_works(duration: float | None) -> None:
    assert 60 <= deadline(duration, nearby=False) <= 330


@given(duration=DURATIONS)
def test_this_machine_gets_ten_minutes_at_least_and_a_day_at_most(duration: float | None) -> None:
    assert 600 <= deadline(duration, nearby=True) <= 86_400


@given(st.lists(st.floats(0, 100_000), min_size=2, max_size=2), st.booleans())
def test_longer_audio_never_has_less_time(durations: list[float], nearby: bool) -> None:  # noqa: FBT001
    shorter, longer = sorted(durations)

    assert deadline(shorter, nearby=nearby) <= deadline(longer, nearby=nearby)


def test_five_minutes_have_all_the_time_the_service_takes() -> None:
    assert deadline(300.0, nearby=False) == deadline(None, nearby=False) == 330.0


def test_what_is_not_known_has_an_hour_on_this_machine() -> None:
    assert deadline(None, nearby=True) == 3_600.0


def test_a_machine_that_works_through_its_queue_may_pause_for_longer() -> None:
    assert longest_pause(nearby=True) == 300.0 > longest_pause(nearby=False)
