"""An outcome comes out of the journal as it went in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import example, given
from hypothesis import strategies as st

from asr_pandas.model import Failure, Outcome, Transcription, Usage
from asr_pandas.run.journal.rows import decode, encode, stored, text

TEXTS = st.text(st.characters(exclude_categories=()))  # NUL and lone surrogates too
SOME_TEXT = st.none() | TEXTS
SECONDS = st.none() | st.floats(0, 1e9)
COUNTS = st.none() | st.integers(0, 2**64 - 1)
ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(
    min_value=datetime(1900, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    timezones=st.just(UTC) | ZONES,
)

USAGES = st.builds(
    Usage,
    seconds=SECONDS,
    prompt_tokens=COUNTS,
    audio_tokens=COUNTS,
    completion_tokens=COUNTS,
    total_tokens=COUNTS,
)
TRANSCRIPTIONS = st.builds(
    Transcription,
    text=TEXTS,
    language=SOME_TEXT,
    emotion=SOME_TEXT,
    usage=USAGES,
    finish_reason=SOME_TEXT,
    request_id=SOME_TEXT,
    model=SOME_TEXT,
)
FAILURES = st.builds(
    Failure,
    kind=st.sampled_from(["rate_limit", "network", "content"]),
    message=TEXTS,
    retry=st.sampled_from(["no", "again", "stop"]),
    retry_after=SECONDS,
    request_id=SOME_TEXT,
    throttle=st.sampled_from([None, "burst"]),
    unanswered=st.booleans(),
)
OUTCOMES = st.builds(
    Outcome,
    status=st.sampled_from(["ok", "empty", "failed", "cancelled"]),
    transcription=st.none() | TRANSCRIPTIONS,
    failure=st.none() | FAILURES,
    duration=SECONDS,
    language_given=st.booleans(),
    attempts=st.integers(0, 99),
    unanswered=st.integers(0, 99),
    latency=SECONDS,
    transcribed_at=st.none() | TIMES,
    endpoint=SOME_TEXT,
    model=SOME_TEXT,
    cost=SECONDS,
    cost_estimated=st.booleans(),
    reused=st.booleans(),
    note=SOME_TEXT,
)


@given(outcome=OUTCOMES)
@example(Outcome(status="ok", transcription=Transcription(text="\udcff\0", usage=Usage(seconds=0))))
def test_an_outcome_that_is_read_is_the_one_that_was_written(outcome: Outcome) -> None:
    row = encode(outcome)

    read = decode(row.status, row.endpoint, row.model, row.cost, row.rest)

    assert read == outcome


@given(value=SOME_TEXT)
def test_any_text_can_be_stored(value: str | None) -> None:
    assert text(stored(value)) == value


def test_what_says_nothing_takes_no_room() -> None:
    row = encode(Outcome(status="ok", transcription=Transcription(text="Hello.")))

    assert row.rest == b'{"transcription":{"text":"Hello."}}'


def test_the_seconds_are_the_billed_ones_where_the_reply_tells_them() -> None:
    said = Transcription(text="Hello.", usage=Usage(seconds=6.0))

    assert encode(Outcome(status="ok", transcription=said, duration=5.2)).seconds == 6.0
    assert encode(Outcome(status="failed", duration=5.2)).seconds == 5.2
