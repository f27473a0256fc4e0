"""Outcomes become columns with declared dtypes, whatever the outcomes are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas import columns
from asr_pandas.errors import ErrorKind
from asr_pandas.model import MISSING, PENDING, Failure, Outcome, Transcription, Usage

if TYPE_CHECKING:
    import pytest

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
    "unanswered": st.integers(0, 10),
    "endpoint": st.none() | st.just("local"),
    "model": st.none() | st.just("whisper-base"),
    "cost": st.none() | st.floats(0, 10),
    "reused": st.booleans(),
}
OUTCOMES = (
    st.builds(Outcome, status=st.just("ok"), transcription=TRANSCRIPTIONS, **DONE)
    | st.builds(Outcome, status=st.just("failed"), failure=FAILURES, **DONE)
    | st.sampled_from([PENDING, MISSING, Outcome(status="cancelled")])
)


def built(*outcomes: Outcome, **options: Any) -> pd.DataFrame:
    index = pd.RangeIndex(len(outcomes))
    return columns.build(outcomes, index=index, level="full", **options)


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
        "latency", "attempts", "unanswered", "reused", "cost", "segments",
    ]  # fmt: skip


def test_a_given_language_is_not_counted_as_detected() -> None:
    reply = Transcription(text="x", language="de")
    given_one = Outcome(status="ok", transcription=reply, language_given=True, attempts=1)
    detected = Outcome(status="ok", transcription=reply, attempts=1)
    silent = Outcome(status="ok", transcription=Transcription(text="x"), attempts=1)

    frame = built(given_one, detected, silent, MISSING)

    assert frame["language_detected"].tolist() == [False, True, pd.NA, pd.NA]


def test_a_cost_that_had_to_be_estimated_says_so() -> None:
    reply = Transcription(text="x")

    rows = built(
        Outcome(status="ok", transcription=reply, cost=1.5),
        Outcome(status="ok", transcription=reply, cost=1.5, cost_estimated=True),
    )

    assert rows["cost"].tolist() == [1.5, 1.5]
    assert rows["warning"].astype(object).where(rows["warning"].notna(), None).tolist() == [
        None,
        "cost_estimated",
    ]


def test_what_a_row_has_to_say_without_a_failure_is_its_message() -> None:
    row = built(Outcome(status="pending", note="The budget does not reach this far.")).iloc[0]

    assert (row["status"], row["message"]) == ("pending", "The budget does not reach this far.")
    assert row[["error", "attempts", "unanswered"]].isna().all()


@given(outcomes=st.lists(OUTCOMES, min_size=1, max_size=8), seed=st.randoms())
def test_columns_may_be_filled_in_any_order_and_more_than_once(
    outcomes: list[Outcome], seed: Any
) -> None:
    results = columns.Sheet(len(outcomes), level="full")
    order = [*range(len(outcomes)), *range(len(outcomes))]
    seed.shuffle(order)

    for position in order:
        results[position] = outcomes[-1 - position]
    for position in order:
        results[position] = outcomes[position]

    pd.testing.assert_frame_equal(results.frame(pd.RangeIndex(len(outcomes))), built(*outcomes))


def test_a_frame_that_was_taken_does_not_change_with_the_run() -> None:
    results = columns.Sheet(1, level="full")

    before = results.frame(pd.RangeIndex(1))
    results[0] = Outcome(status="ok", transcription=Transcription(text="x"), duration=1.0)

    assert before["status"].tolist() == ["pending"]
    assert before["duration"].isna().all()


def test_segments_are_null_where_nothing_was_split() -> None:
    assert built(MISSING)["segments"].tolist() == [None]
    assert built(MISSING)["segments"].dtype == np.dtype(object)
