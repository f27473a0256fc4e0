"""Outcomes in, result columns out: their names, their order and their dtypes. Pure."""

from __future__ import annotations

import sys
import threading
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from asr_pandas.model import PENDING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asr_pandas.model import Outcome

TEXT: Final = "string" if pd.__version__.startswith("2.") else "str"
"""The dtype of text in the pandas that runs."""


class Column(NamedTuple):
    """One result column."""

    name: str
    dtype: str
    value: Callable[[Outcome], Any]


Level = Literal["basic", "full"]


def _said(name: str) -> Callable[[Outcome], Any]:
    return lambda outcome: outcome.transcription and getattr(outcome.transcription, name)


def _counted(name: str) -> Callable[[Outcome], Any]:
    return lambda outcome: outcome.transcription and getattr(outcome.transcription.usage, name)


def _field(name: str) -> Callable[[Outcome], Any]:
    return lambda outcome: getattr(outcome, name)


def _error(outcome: Outcome) -> str | None:
    return outcome.failure.kind if outcome.failure else None


def _message(outcome: Outcome) -> str | None:
    return outcome.failure.message if outcome.failure else outcome.note


def _transcript(outcome: Outcome) -> str | None:
    if outcome.status == "empty":
        return ""
    return outcome.transcription.text if outcome.transcription else None


def _language_detected(outcome: Outcome) -> bool | None:
    if outcome.transcription is None or outcome.transcription.language is None:
        return None
    return not outcome.language_given


def _model(outcome: Outcome) -> str | None:
    return (outcome.transcription.model or outcome.model) if outcome.transcription else None


def _request_id(outcome: Outcome) -> str | None:
    reply = outcome.transcription or outcome.failure
    return reply.request_id if reply else None


def _attempts(outcome: Outcome) -> int | None:
    return outcome.attempts if outcome.status not in _NEVER_ASKED else None


def _unanswered(outcome: Outcome) -> int | None:
    return outcome.unanswered if outcome.status not in _NEVER_ASKED else None


def _reused(outcome: Outcome) -> bool | None:
    return outcome.reused if outcome.transcription else None


def _warning(outcome: Outcome) -> str | None:
    reply = outcome.transcription
    if reply is None:
        return None
    words = {
        "truncated": reply.finish_reason == "length",
        "cost_estimated": outcome.cost_estimated,
    }
    return ";".join(word for word, applies in words.items() if applies) or None


_NEVER_ASKED: Final = {"missing", "pending"}

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
    Column("endpoint", TEXT, _field("endpoint")),
    Column("request_id", TEXT, _request_id),
    Column("transcribed_at", "datetime64[us, UTC]", _field("transcribed_at")),
    Column("finish_reason", TEXT, _said("finish_reason")),
    Column("latency", "Float64", _field("latency")),
    Column("attempts", "Int64", _attempts),
    # Beside the contract's columns: what may have been billed without a result.
    Column("unanswered", "Int64", _unanswered),
    Column("reused", "boolean", _reused),
    Column("cost", "Float64", _field("cost")),
    # The service gives no times in this form, and nothing is split yet.
    Column("segments", "object", lambda _: None),
)


def names(level: str, *, prefix: str = "") -> list[str]:
    """Name the result columns, in their order.

    Examples
    --------
    >>> names("basic", prefix="base_")[:3]
    ['base_transcript', 'base_language', 'base_emotion']
    """
    return [prefix + column.name for column in _columns(level)]


class Sheet:
    """The result columns while they are filled, in any order and any number of times.

    They take the memory of the finished columns, whatever becomes of the outcomes.

    Parameters
    ----------
    rows : int
        All are `pending` at first.
    level : {"basic", "full"}
        Which columns.
    """

    def __init__(self, rows: int, *, level: Level = "basic") -> None:
        self._columns = _columns(level)
        self._cells = [_cells(column, rows) for column in self._columns]
        # A frame may be asked for while the run goes on.
        self._lock = threading.Lock()

    def __setitem__(self, position: int, outcome: Outcome) -> None:
        """Write what became of a row."""
        with self._lock:
            for column, cells in zip(self._columns, self._cells, strict=True):
                cells.put(position, column.value(outcome))

    def frame(self, index: pd.Index, *, prefix: str = "", last: bool = False) -> pd.DataFrame:
        """Build the result columns as they are now.

        Parameters
        ----------
        index : pandas.Index
            The frame's own; rows are matched by position, so that labels may repeat.
        prefix : str
            Put before each name.
        last : bool
            Whether nothing is written any more: the frame then takes the memory over.

        Returns
        -------
        pandas.DataFrame
            One row for each outcome; every dtype is declared, never inferred.
        """
        with self._lock:
            arrays = [cells.array(copy=not last) for cells in self._cells]
            if last:
                self._cells = []
        return pd.DataFrame(
            {
                prefix + column.name: array
                for column, array in zip(self._columns, arrays, strict=True)
            },
            index=index,
            copy=False,
        )


def build(
    outcomes: Iterable[Outcome], *, index: pd.Index, level: Level = "basic", prefix: str = ""
) -> pd.DataFrame:
    """Build the result columns of so many outcomes, in the order of the index."""
    sheet = Sheet(len(index), level=level)
    for position, outcome in enumerate(outcomes):
        sheet[position] = outcome
    return sheet.frame(index, prefix=prefix, last=True)


class _Cells(Protocol):
    """One column while it is filled."""

    def put(self, position: int, value: Any) -> None:  # noqa: ANN401  (each column has its type)
        """Write a cell; None is a missing one."""

    def array(self, *, copy: bool) -> Any:  # noqa: ANN401  (pandas' own unions)
        """Turn the cells into what pandas keeps; without a copy they are given away."""


class _Numbers:
    """Numbers or truth values beside a mask, as pandas' own nullable arrays keep them."""

    def __init__(self, dtype: str, rows: int) -> None:
        self._values = np.zeros(rows, dtype=dtype.lower() if dtype != "boolean" else bool)
        self._missing = np.ones(rows, dtype=bool)

    def put(self, position: int, value: Any) -> None:  # noqa: ANN401
        self._missing[position] = value is None
        if value is not None:
            self._values[position] = value

    def array(self, *, copy: bool) -> Any:  # noqa: ANN401
        form = _MASKED[self._values.dtype.kind]
        return form(self._values, self._missing, copy=copy)


class _Texts:
    """Texts, in blocks: made when they are needed, and packed, as pandas keeps them, when full."""

    _BLOCK: Final = 4_096

    def __init__(self, rows: int, *, words: bool, first: str | None) -> None:
        self._sizes = [min(self._BLOCK, rows - start) for start in range(0, rows, self._BLOCK)]
        self._blocks: list[Any] = [None] * len(self._sizes)
        self._written = [0] * len(self._sizes)
        self._words = words
        self._first = first

    def put(self, position: int, value: Any) -> None:  # noqa: ANN401
        number, cell = divmod(position, self._BLOCK)
        block = self._opened(number)
        # A word that every row repeats is kept once.
        block[cell] = sys.intern(value) if value and self._words else value
        self._written[number] += 1
        if self._written[number] == len(block) and TEXT == "str":
            self._blocks[number] = _packed(block)

    def array(self, *, copy: bool) -> Any:  # noqa: ANN401, ARG002
        blocks = [self._read(number) for number in range(len(self._sizes))]
        if TEXT != "str":
            return pd.array([text for block in blocks for text in block], dtype=TEXT)
        packed = [_packed(block) if isinstance(block, list) else block for block in blocks]
        return pd.array(pa.chunked_array(packed, pa.large_string()), dtype=TEXT)

    def _opened(self, number: int) -> list[Any]:
        block = self._read(number)
        if not isinstance(block, list):
            block = block.to_pylist()  # a row is written anew
        self._blocks[number] = block
        return block  # type: ignore[no-any-return]

    def _read(self, number: int) -> Any:  # noqa: ANN401
        block = self._blocks[number]
        return [self._first] * self._sizes[number] if block is None else block


def _packed(block: list[str | None]) -> pa.Array:
    # Arrow's own pool keeps what it frees, half as much again as it holds.
    return pa.array(block, pa.large_string(), memory_pool=pa.system_memory_pool())


class _Times:
    """Points in time, in UTC."""

    def __init__(self, rows: int) -> None:
        self._values = np.full(rows, np.datetime64("NaT"), dtype="datetime64[us]")

    def put(self, position: int, value: Any) -> None:  # noqa: ANN401
        naive = value and value.astimezone(UTC).replace(tzinfo=None)
        self._values[position] = np.datetime64(naive or "NaT", "us")

    def array(self, *, copy: bool) -> Any:  # noqa: ANN401
        values = self._values.copy() if copy else self._values
        return pd.DatetimeIndex(values).tz_localize("UTC").array


class _Nothing:
    """A column that is not filled yet."""

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def put(self, position: int, value: Any) -> None:  # noqa: ANN401
        pass

    def array(self, *, copy: bool) -> Any:  # noqa: ANN401, ARG002
        return np.full(self._rows, None, dtype=object)


_MASKED: Final[dict[str, Any]] = {
    "b": pd.arrays.BooleanArray,
    "f": pd.arrays.FloatingArray,
    "i": pd.arrays.IntegerArray,
}
_WORDS: Final = {
    "language", "emotion", "status", "error", "warning", "model", "endpoint", "finish_reason",
}  # fmt: skip


def _cells(column: Column, rows: int) -> _Cells:
    if column.dtype == TEXT:
        first = column.value(PENDING)
        return _Texts(rows, words=column.name in _WORDS, first=first)
    if "UTC" in column.dtype:
        return _Times(rows)
    return _Nothing(rows) if column.dtype == "object" else _Numbers(column.dtype, rows)


def _columns(level: str) -> tuple[Column, ...]:
    return FULL if level == "full" else BASIC
