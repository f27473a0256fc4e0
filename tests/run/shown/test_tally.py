"""What is counted of a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.model import MISSING, Failure, Outcome
from asr_pandas.run.shown.tally import Tally

OUTCOMES = st.builds(
    Outcome,
    status=st.sampled_from(["ok", "empty", "failed"]),
    failure=st.none() | st.just(Failure(kind="timeout", message="late")),
    duration=st.none() | st.floats(0, 900),
    attempts=st.integers(0, 3),
    cost=st.none() | st.floats(0, 1),
    reused=st.booleans(),
)


@given(outcomes=st.lists(OUTCOMES, max_size=20))
def test_each_row_is_paid_for_or_saved_and_never_both(outcomes: list[Outcome]) -> None:
    tally = Tally(rows=len(outcomes))

    for outcome in outcomes:
        tally.add(outcome)

    costs = [outcome.cost for outcome in outcomes if outcome.cost is not None]
    reused = [outcome for outcome in outcomes if outcome.reused]
    assert tally.done == len(outcomes)
    assert tally.saved_rows == len(reused)
    assert tally.saved_seconds == pytest.approx(sum(row.duration or 0 for row in reused))
    assert tally.asked_seconds + tally.saved_seconds <= tally.seconds + 1e-6
    assert (tally.paid or 0) + (tally.saved_cost or 0) == pytest.approx(sum(costs))


def test_without_a_price_nothing_is_said_to_be_paid_or_saved() -> None:
    tally = Tally(rows=2)

    tally.add(Outcome(status="ok", attempts=1, duration=3.0))
    tally.add(Outcome(status="ok", reused=True, attempts=1, duration=3.0))

    assert (tally.paid, tally.saved_cost) == (None, None)


def test_a_row_for_which_nobody_was_asked_tells_nothing_of_the_speed() -> None:
    tally = Tally(rows=3)

    tally.add(MISSING)
    tally.add(Outcome(status="failed", failure=Failure(kind="unreadable", message="no")))
    tally.add(Outcome(status="ok", reused=True, attempts=1))

    assert (tally.done, tally.asked_rows) == (3, 0)


def test_the_summary_is_the_same_whether_rows_come_from_the_journal_or_not() -> None:
    paid, saved = Tally(rows=1), Tally(rows=1)

    paid.add(Outcome(status="ok", attempts=1, cost=0.1))
    saved.add(Outcome(status="ok", attempts=1, cost=0.1, reused=True))

    assert paid.summary() == saved.summary() == "1 row: 1 ok"
