"""Outcomes become columns with declared dtypes, whatever the outcomes are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas import columns
from asr_pandas.columns import Source
from asr_pandas.errors import ErrorKind
from asr_pandas.model import CANCELLED, MISSING, PENDING, Failure, Outcome, Transcription, Usage

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
COUNT = st.none() | st.integers(0, 10**9)
USAGES = st.builds(
    Usage,
    seconds=st.none() | st.floats(0, 10**6),
    prompt_tokens=COUNT,
    audio_tokens=COUNT,
    completion_tokens=COUNT,
    total_tokens=COUNT,
)
TRANSCRIPTIONS = st.builds(
    Transcription,
    text=TEXT.filter(str.strip),
    language=st.none() | st.just("de"),
    emotion=st.none() | st.just("happy"),
    usage=USAGES,
    finish_reason=st.sampled_from([None, "stop", "length"]),
    request_id=st.none() | TEXT,
    model=st.none() | TEXT,
)
FAILURES = st.builds(
    Failure, kind=st.sampled_from(get_args(ErrorKind)), message=TEXT, request_id=st.none() | TEXT
)
DONE = {
    "duration": st.none() | st.floats(0, 300),
    "language_given": st.booleans(),
    "attempts": st.integers(1, 10),
    "latency": st.none() | st.floats(0, 300),
    "transcribed_at": st.none() | st.just(datetime(2026, 11, 22, tzinfo=UTC)),
}
OUTCOMES = (
    st.builds(Outcome, status=st.just("ok"), transcription=TRANSCRIPTIONS, **DONE)
    | st.builds(Outcome, status=st.just("failed"), failure=FAILURES, **DONE)
    | st.sampled_from([PENDING, MISSING, CANCELLED])
)
SOURCE = Source(endpoint="local", model="whisper-base", price_per_second=0.5)


def built(*outcomes: Outcome, **options: Any) -> pd.DataFrame:
    index = pd.RangeIndex(len(outcomes))
    return columns.build(outcomes, source=SOURCE, index=index, level="full", **options)


@given(outcomes=st.lists(OUTCOMES, max_size=5))
def test_dtypes_are_declared_and_never_inferred(outcomes: list[Outcome]) -> None:
    frame = built(*outcomes)

    assert frame.dtypes.astype(str).tolist() == [column.dtype for column in columns.FULL]
    assert frame["status"].tolist() == [outcome.status for outcome in outcomes]
    assert [text if isinstance(text, str) else None for text in frame["transcript"]] == [
        outcome.transcription and outcome.transcription.text for outcome in outcomes
    ]


@given(outcomes=st.lists(OUTCOMES, max_size=3))
def test_the_columns_survive_parquet(
    outcomes: list[Outcome], tmp_path_factory: pytest.TempPathFactory
) -> None:
    frame = built(*outcomes).drop(columns="segments")
    path = tmp_path_factory.mktemp("out") / "out.parquet"

    frame.to_parquet(path)

    pd.testing.assert_frame_equal(pd.read_parquet(path), frame)


def test_the_basic_columns_are_the_contract_s() -> None:
    assert columns.names("basic") == [
        "transcript", "language", "emotion", "duration", "seconds", "prompt_tokens",
        "audio_tokens", "completion_tokens", "total_tokens", "status", "error", "warning",
        "message",
    ]  # fmt: skip
    assert columns.names("full")[13:] == [
        "language_detected", "model", "endpoint", "request_id", "transcribed_at", "finish_reason",
        "latency", "attempts", "reused", "cost", "segments",
    ]  # fmt: skip


def test_a_given_language_is_not_counted_as_detected() -> None:
    reply = Transcription(text="x", language="de")
    given_one = Outcome(status="ok", transcription=reply, language_given=True, attempts=1)
    detected = Outcome(status="ok", transcription=reply, attempts=1)
    silent = Outcome(status="ok", transcription=Transcription(text="x"), attempts=1)

    frame = built(given_one, detected, silent, MISSING)

    assert frame["language_detected"].tolist() == [False, True, pd.NA, pd.NA]


@pytest.mark.parametrize(
    ("usage", "duration", "cost", "warning"),
    [
        (Usage(seconds=3), 2.5, 1.5, None),
        (Usage(audio_tokens=26), 2.5, 1.0, "cost_estimated"),
        (Usage(), 2.5, 1.25, "cost_estimated"),
        (Usage(), None, None, "cost_estimated"),
    ],
)
def test_the_cost_is_that_of_what_was_billed_else_estimated(
    usage: Usage, duration: float | None, cost: float | None, warning: str | None
) -> None:
    reply = Transcription(text="x", usage=usage)

    row = built(Outcome(status="ok", transcription=reply, duration=duration)).iloc[0]

    assert (None if pd.isna(row["cost"]) else row["cost"]) == cost
    assert (None if pd.isna(row["warning"]) else row["warning"]) == warning


def test_without_a_price_there_is_no_cost_and_no_word_about_it() -> None:
    outcome = Outcome(status="ok", transcription=Transcription(text="x"), duration=1.0)
    source = SOURCE._replace(price_per_second=None)

    row = columns.build([outcome], source=source, index=pd.RangeIndex(1), level="full").iloc[0]

    assert row[["cost", "warning"]].isna().all()


def test_segments_are_null_where_nothing_was_split() -> None:
    assert built(MISSING)["segments"].tolist() == [None]
    assert built(MISSING)["segments"].dtype == np.dtype(object)
