"""Outcomes in, result columns out: their names, their order and their dtypes. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from asr_pandas.model import Outcome, Usage

TEXT: Final = "string" if pd.__version__.startswith("2.") else "str"
"""The dtype of text in the pandas that runs."""

_AUDIO_TOKENS_PER_SECOND: Final = 25  # vendor's docs


class Source(NamedTuple):
    """Where a run's outcomes came from, for the columns that say so."""

    endpoint: str
    """The host."""
    model: str
    """The model that was asked for; a reply's own word goes before it."""
    price_per_second: float | None


class Column(NamedTuple):
    """One result column."""

    name: str
    dtype: str
    value: Callable[[Outcome, Source], Any]


Level = Literal["basic", "full"]


def _said(name: str) -> Callable[[Outcome, Source], Any]:
    return lambda outcome, _: outcome.transcription and getattr(outcome.transcription, name)


def _counted(name: str) -> Callable[[Outcome, Source], Any]:
    return lambda outcome, _: outcome.transcription and getattr(outcome.transcription.usage, name)


def _field(name: str) -> Callable[[Outcome, Source], Any]:
    return lambda outcome, _: getattr(outcome, name)


def _error(outcome: Outcome, _: Source) -> str | None:
    return outcome.failure.kind if outcome.failure else None


def _message(outcome: Outcome, _: Source) -> str | None:
    return outcome.failure.message if outcome.failure else None


def _transcript(outcome: Outcome, _: Source) -> str | None:
    if outcome.status == "empty":
        return ""
    return outcome.transcription.text if outcome.transcription else None


def _language_detected(outcome: Outcome, _: Source) -> bool | None:
    if outcome.transcription is None or outcome.transcription.language is None:
        return None
    return not outcome.language_given


def _model(outcome: Outcome, source: Source) -> str | None:
    return (outcome.transcription.model or source.model) if outcome.transcription else None


def _endpoint(outcome: Outcome, source: Source) -> str | None:
    return source.endpoint if outcome.attempts else None


def _request_id(outcome: Outcome, _: Source) -> str | None:
    reply = outcome.transcription or outcome.failure
    return reply.request_id if reply else None


def _attempts(outcome: Outcome, _: Source) -> int | None:
    return outcome.attempts if outcome.status not in {"missing", "pending"} else None


def _reused(outcome: Outcome, _: Source) -> bool | None:
    return False if outcome.transcription else None


def _cost(outcome: Outcome, source: Source) -> float | None:
    seconds, _ = _priced_seconds(outcome)
    if seconds is None or source.price_per_second is None:
        return None
    return seconds * source.price_per_second


def _warning(outcome: Outcome, source: Source) -> str | None:
    reply = outcome.transcription
    if reply is None:
        return None
    _, estimated = _priced_seconds(outcome)
    words = {
        "truncated": reply.finish_reason == "length",
        "cost_estimated": estimated and source.price_per_second is not None,
    }
    return ";".join(word for word, applies in words.items() if applies) or None


def _priced_seconds(outcome: Outcome) -> tuple[float | None, bool]:
    """Find the billed seconds, and whether they had to be estimated."""
    if outcome.transcription is None:
        return None, False
    usage = outcome.transcription.usage
    if usage.seconds is not None:
        return usage.seconds, False
    return _estimated_seconds(usage, outcome.duration), True


def _estimated_seconds(usage: Usage, duration: float | None) -> float | None:
    if usage.audio_tokens is None:
        return duration
    return float(math.ceil(usage.audio_tokens / _AUDIO_TOKENS_PER_SECOND))


BASIC: Final[tuple[Column, ...]] = (
    Column("transcript", TEXT, _transcript),
    Column("language", TEXT, _said("language")),
    Column("emotion", TEXT, _said("emotion")),
    Column("duration", "Float64", _field("duration")),
    Column("seconds", "Float64", _counted("seconds")),
    Column("prompt_tokens", "Int64", _counted("prompt_tokens")),
    Column("audio_tokens", "Int64", _counted("audio_tokens")),
    Column("completion_tokens", "Int64", _counted("completion_tokens")),
    Column("total_tokens", "Int64", _counted("total_tokens")),
    Column("status", TEXT, _field("status")),
    Column("error", TEXT, _error),
    Column("warning", TEXT, _warning),
    Column("message", TEXT, _message),
)
FULL: Final[tuple[Column, ...]] = (
    *BASIC,
    Column("language_detected", "boolean", _language_detected),
    Column("model", TEXT, _model),
    Column("endpoint", TEXT, _endpoint),
    Column("request_id", TEXT, _request_id),
    Column("transcribed_at", "datetime64[us, UTC]", _field("transcribed_at")),
    Column("finish_reason", TEXT, _said("finish_reason")),
    Column("latency", "Float64", _field("latency")),
    Column("attempts", "Int64", _attempts),
    Column("reused", "boolean", _reused),
    Column("cost", "Float64", _cost),
    # The service gives no times in this form, and nothing is split yet.
    Column("segments", "object", lambda *_: None),
)


def names(level: str, *, prefix: str = "") -> list[str]:
    """Name the result columns, in their order.

    Examples
    --------
    >>> names("basic", prefix="base_")[:3]
    ['base_transcript', 'base_language', 'base_emotion']
    """
    return [prefix + column.name for column in _columns(level)]


def build(
    outcomes: Sequence[Outcome],
    *,
    source: Source,
    index: pd.Index,
    level: Level = "basic",
    prefix: str = "",
) -> pd.DataFrame:
    """Build the result columns.

    Parameters
    ----------
    outcomes : sequence of Outcome
        One for each row, in the order of `index`.
    source : Source
        Where they came from.
    index : pandas.Index
        The frame's own; rows are matched by position, so that labels may repeat.
    level : {"basic", "full"}
        Which columns.
    prefix : str
        Put before each name.

    Returns
    -------
    pandas.DataFrame
        One row for each outcome; every dtype is declared, never inferred.
    """
    return pd.DataFrame(
        {
            prefix + column.name: pd.Series(
                _array((column.value(outcome, source) for outcome in outcomes), column.dtype),
                index=index,
            )
            for column in _columns(level)
        },
        index=index,
    )


def _array(values: Iterable[Any], dtype: Any) -> Any:  # noqa: ANN401  (pandas' own unions)
    listed = list(values)
    return pd.array(pd.to_datetime(listed, utc=True) if "UTC" in dtype else listed, dtype=dtype)


def _columns(level: str) -> tuple[Column, ...]:
    return FULL if level == "full" else BASIC
