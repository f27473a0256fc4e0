"""What the results of a run have in common, without keeping them."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.model import MISSING, PENDING, Outcome, Transcription
from asr_pandas.run.span import Span
from asr_pandas.usage import mixed
from tests.run.clocks import START
from tests.run.told import HOPELESS

Answered = st.builds(
    lambda asked, replied, days: Outcome(
        status="ok",
        transcription=Transcription(text="x", model=replied),
        model=asked,
        transcribed_at=None if days is None else START + timedelta(days=days),
    ),
    st.sampled_from([None, "a"]),
    st.sampled_from([None, "a", "b", "c"]),
    st.none() | st.integers(0, 60),
)
Others = st.sampled_from(
    [
        MISSING,
        PENDING,
        Outcome(status="cancelled", model="z"),
        Outcome(status="failed", failure=HOPELESS),
    ]
)


@given(outcomes=st.lists(Answered | Others, max_size=12))
def test_it_says_of_the_results_what_the_whole_frame_would(outcomes: list[Outcome]) -> None:
    span = Span()
    for outcome in outcomes:
        span.add(outcome)

    answered = [outcome for outcome in outcomes if outcome.transcription]
    whole = pd.DataFrame(
        {
            "status": "ok",
            "model": [o.transcription.model or o.model for o in answered if o.transcription],
            "transcribed_at": pd.Series([o.transcribed_at for o in answered], dtype=object),
        }
    )
    assert mixed(span.frame()) == mixed(whole)


def test_the_reply_s_own_word_for_its_model_goes_before_the_one_that_was_asked_for() -> None:
    span = Span()

    span.add(Outcome(status="ok", transcription=Transcription(text="", model="b"), model="a"))
    span.add(Outcome(status="ok", transcription=Transcription(text=""), model="a"))

    assert span.models == {"a", "b"}


def test_a_run_without_results_has_nothing_in_common() -> None:
    assert mixed(Span().frame()) is None
