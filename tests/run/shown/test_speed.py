"""How fast a run is, and how long it will take, on a clock that the test moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.model import Outcome
from asr_pandas.run.shown.speed import Speed
from asr_pandas.run.shown.tally import Tally

ASKED = Outcome(status="ok", attempts=1, duration=6.0)
REUSED = Outcome(status="ok", attempts=1, duration=6.0, reused=True)


def run(tally: Tally, *, seconds: int, per_second: int, start: int = 0, speed: Speed) -> None:
    """Let so many rows per second be asked for and answered."""
    for now in range(start + 1, start + seconds + 1):
        for _ in range(per_second):
            tally.sent += 1
            tally.add(ASKED)
        speed.look(tally, now)


@given(seconds=st.integers(30, 300), per_second=st.integers(1, 50))
def test_a_steady_run_knows_its_rate_and_its_end(seconds: int, per_second: int) -> None:
    rows = 1_000 * per_second
    tally = Tally(rows=rows, all_seconds=rows * 6.0)
    speed = Speed(0.0)

    run(tally, seconds=seconds, per_second=per_second, speed=speed)

    assert speed.per_minute == pytest.approx(per_second * 60)
    assert speed.left(tally) == pytest.approx(1_000 - seconds)


def test_rows_from_the_journal_promise_nothing_for_the_rest() -> None:
    tally = Tally(rows=1_000, all_seconds=6_000.0)
    speed = Speed(0.0)
    for _ in range(900):
        tally.add(REUSED)

    speed.look(tally, 1.0)
    promised = speed.left(tally)
    run(tally, start=600, seconds=50, per_second=1, speed=speed)

    assert promised is None
    assert speed.left(tally) == pytest.approx(50)


def test_where_seconds_of_audio_are_unknown_rows_tell_the_time_left() -> None:
    tally = Tally(rows=100, all_seconds=0.0)
    speed = Speed(0.0)

    run(tally, seconds=20, per_second=1, speed=speed)

    assert speed.left(tally) == pytest.approx(80)


def test_long_clips_at_the_end_are_not_forgotten() -> None:
    tally = Tally(rows=100, all_seconds=1_200.0)
    speed = Speed(0.0)

    run(tally, seconds=50, per_second=1, speed=speed)

    assert speed.left(tally) == pytest.approx(900 / 6)


def test_after_an_outage_the_time_left_comes_back_to_what_it_was() -> None:
    tally = Tally(rows=100_000)
    speed = Speed(0.0)
    run(tally, seconds=1_000, per_second=1, speed=speed)
    run(tally, start=1_000, seconds=1_000, per_second=0, speed=speed)
    during = speed.left(tally)

    run(tally, start=2_000, seconds=4_000, per_second=1, speed=speed)

    after = speed.left(tally)
    assert during is not None
    assert after is not None
    assert during > 180_000
    assert after == pytest.approx(95_000, rel=0.1)


def test_a_service_that_answers_nothing_has_no_end_in_sight() -> None:
    tally = Tally(rows=10, sent=2, all_seconds=60.0)
    speed = Speed(0.0)

    for now in range(1, 100):
        speed.look(tally, float(now))

    assert speed.left(tally) is None
    assert speed.per_minute == 0


def test_a_run_that_is_over_has_nothing_left() -> None:
    tally = Tally(rows=20, all_seconds=120.0)
    speed = Speed(0.0)

    run(tally, seconds=20, per_second=1, speed=speed)

    assert speed.left(tally) is None


def test_a_look_so_soon_after_the_last_one_is_none() -> None:
    tally = Tally(rows=10)
    speed = Speed(0.0)
    tally.sent = 5

    speed.look(tally, 0.5)
    speed.look(tally, 0.9)

    assert speed.left(tally) is None
    assert speed.per_minute is None


def test_two_days_take_no_more_memory_than_a_minute() -> None:
    tally = Tally(rows=10)
    speed = Speed(0.0)

    run(tally, seconds=10_000, per_second=0, speed=speed)
    tally.sent = 1
    for now in range(10_001, 20_000):
        speed.look(tally, float(now))

    assert len(speed._sent) <= 61  # noqa: SLF001  (the only thing here that could grow)
