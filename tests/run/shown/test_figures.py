"""The line that is shown while a run goes on."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.run.shown.figures import Moment, fitted, line, share
from asr_pandas.run.shown.tally import Tally

BUSY = Tally(
    rows=20_000,
    done=1_203,
    seconds=11_160.0,
    all_seconds=147_600.0,
    paid=0.41,
    currency="USD",
    saved_rows=212,
    errors=Counter(timeout=3, format=1),
    notice="the rate limit: 40 s more",
    limit=100.0,
)
NOW = Moment(elapsed=720.0, per_minute=98.2, left=660.0)


def test_a_busy_run_says_everything_in_one_line() -> None:
    assert line(BUSY, NOW) == (
        "1,203/20,000 rows · 3.1/41.0 h of audio · 0.41 USD · 212 from the journal · "
        "failed: 3 timeout, 1 format · 98 of 100 requests/min · 11 min left · "
        "the rate limit: 40 s more"
    )


def test_parts_that_say_nothing_are_left_out() -> None:
    assert line(Tally(rows=1), Moment(elapsed=3.0)) == "0/1 row · 3 s so far"


def test_a_run_that_is_over_has_neither_rate_nor_time_left() -> None:
    tally = Tally(rows=9, done=9, seconds=49.0, all_seconds=50.0, paid=0.0017, currency="USD")

    said = line(tally, Moment(elapsed=80.0, per_minute=12.0, left=3.0, ended=True))

    assert said == "9 rows · 49 s of audio · 0.0017 USD · in 80 s"


@pytest.mark.parametrize(
    ("all_seconds", "said"),
    [(100.0, "10/100 s"), (600.0, "0.2/10.0 min"), (7_200.0, "0.0/2.0 h"), (5.0, "10/10 s")],
)
def test_audio_is_counted_in_the_unit_that_fits(all_seconds: float, said: str) -> None:
    tally = Tally(rows=9, seconds=10.0, all_seconds=all_seconds)

    assert f"{said} of audio" in line(tally, Moment(elapsed=1.0))


@pytest.mark.parametrize(
    ("tally", "said"),
    [
        (Tally(rows=2, saved_rows=1, saved_cost=0.5, currency="CNY"), "journal, worth 0.50 CNY"),
        (Tally(rows=2, paid=12.0), "12.00 (currency not known)"),
        (Tally(rows=2, rate=42.4), "3.2 of 42 requests/min"),
        (Tally(rows=2), "3.2 requests/min"),
        (Tally(rows=2, notice="down\x1b[2J\n"), "down[2J"),
    ],
)
def test_what_is_known_is_said(tally: Tally, said: str) -> None:
    assert said in line(tally, Moment(elapsed=1.0, per_minute=3.21))


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (60, "1,203/20,000 rows · 11 min left · the rate limit: 40 s more"),
        (80, "1,203/20,000 rows · failed: 4 · 11 min left · the rate limit: 40 s more"),
        (5, "1,203/20,000 rows"),
    ],
)
def test_in_a_narrow_terminal_the_weightiest_parts_stay(width: int, said: str) -> None:
    assert line(BUSY, NOW, width=width) == said


@given(width=st.integers(18, 300))
def test_the_line_is_never_longer_than_there_is_room(width: int) -> None:
    assert len(line(BUSY, NOW, width=width)) <= width


def test_nothing_said_is_an_empty_line() -> None:
    assert fitted([], 10) == ""


@pytest.mark.parametrize(
    ("tally", "done"),
    [
        (Tally(rows=0), 1.0),
        (Tally(rows=4, done=1), 0.25),
        (Tally(rows=4, done=1, seconds=3.0, all_seconds=6.0), 0.5),
        (Tally(rows=4, done=3, seconds=9.0, all_seconds=6.0), 0.99),
        (Tally(rows=4, done=4, seconds=5.0, all_seconds=6.0), 1.0),
    ],
)
def test_the_bar_is_full_only_when_all_is_done(tally: Tally, done: float) -> None:
    assert share(tally) == done
