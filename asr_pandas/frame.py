"""The frame's side of a run: which cells, what is asked per row, and where the columns go. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from asr_pandas import columns
from asr_pandas.audio.cells import is_missing
from asr_pandas.errors import ColumnError, OptionError
from asr_pandas.languages import normalise
from asr_pandas.results import column_of, is_column

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from asr_pandas.options import Settings

_RECORD: Final = "asr_pandas"  # the key in `df.attrs`
_CALL: Final = {"audio", "prefix", "endpoint", "model"}  # what makes two calls the same
_RECORDED: Final = {*_CALL, "columns"}


def snapshot(frame: pd.DataFrame) -> pd.DataFrame:
    """Copy a frame, so that nobody's later changes are seen in it; from pandas 3 on lazily."""
    return frame.copy(deep=pd.__version__.startswith("2."))


def audio_column(frame: pd.DataFrame, column: Hashable) -> pd.Series[Any]:
    """Take the column that holds the audio.

    Raises
    ------
    ColumnError
        There is no such column, there are two, or it holds numbers.
    """
    return refuse_numbers(column_of(frame, column))


def refuse_numbers(series: pd.Series[Any]) -> pd.Series[Any]:
    """Return the series, unless its dtype cannot hold audio.

    Raises
    ------
    ColumnError
        It holds numbers, truth values or dates.
    """
    is_number = pd.api.types.is_numeric_dtype(series.dtype)
    is_date = series.dtype.kind in "mM"
    if (is_number or is_date) and bool(series.notna().any()):
        message = (
            f"column {series.name!r} holds {series.dtype}, not audio.\n\n"
            "Hint: a cell of audio is a path, a URL or bytes."
        )
        raise ColumnError(message)
    return series


def languages_per_row(frame: pd.DataFrame, source: Any) -> list[str | None] | None:  # noqa: ANN401
    """Read one language for each row; None where the cell is missing.

    Parameters
    ----------
    frame : pandas.DataFrame
        The frame of the call.
    source : hashable, Series or None
        A column's name, or a Series with the frame's index; with None there is nothing to read.

    Raises
    ------
    ColumnError
        There is no such column.
    OptionError
        The Series has another index; or a cell names none of the service's languages.
    """
    if source is None:
        return None
    return [
        None if tag is None else _language(tag, position)
        for position, tag in enumerate(_per_row(frame, source, option="language_from"))
    ]


def contexts_per_row(frame: pd.DataFrame, source: Any) -> list[str | None] | None:  # noqa: ANN401
    """Read one context for each row, as `languages_per_row` reads languages.

    Raises
    ------
    ColumnError
        There is no such column.
    OptionError
        The Series has another index.
    """
    if source is None:
        return None
    contexts = _per_row(frame, source, option="context_from")
    for position, context in enumerate(contexts):
        refuse_unsendable(context, f"context_from, row {position}")
    return contexts


def refuse_unsendable(text: str | None, name: str) -> None:
    """Raise if a text cannot travel as JSON.

    Raises
    ------
    OptionError
        It holds half of a character (a lone surrogate).
    """
    try:
        (text or "").encode()
    except UnicodeEncodeError as error:
        message = f"{name}: holds half of a character at position {error.start}, and cannot be sent"
        raise OptionError(message) from None


def _per_row(frame: pd.DataFrame, source: Any, *, option: str) -> list[str | None]:  # noqa: ANN401
    if isinstance(source, pd.Series):
        if not source.index.equals(frame.index):
            message = f"{option}= is a Series whose index is not the frame's: align it first"
            raise OptionError(message)
        series = source
    elif is_column(frame, source):
        series = column_of(frame, source)
    else:
        names = ", ".join(map(repr, frame.columns)) or "none at all"
        message = (
            f"{option}={source!r}: there is no such column.\n\nHint: it is one of {names}, or a "
            "Series with the frame's index."
        )
        raise ColumnError(message)
    return [None if is_missing(cell) else str(cell) for cell in series]


def _language(tag: str, position: int) -> str:
    try:
        return normalise(tag)
    except OptionError as error:
        message = f"language_from, row {position}: {error}"
        raise OptionError(message) from None


def row_name(index: pd.Index, variable: str, position: int) -> str:
    """Name the row at a position in a message: by its label where labels are unique.

    Examples
    --------
    >>> row_name(pd.RangeIndex(2), 'df["audio"]', 1)
    'df["audio"][1]'
    >>> row_name(pd.Index(["a", "a"]), 'df["audio"]', 1)
    'df["audio"].iloc[1]'
    """
    if index.is_unique:
        return f"{variable}[{index[[position]].tolist()[0]!r}]"
    return f"{variable}.iloc[{position}]"


def record_of(column: Hashable, *, settings: Settings, endpoint: str, model: str) -> dict[str, str]:
    """Write down what made a set of result columns; small and JSON, because pandas copies it."""
    return {
        "audio": str(column),
        "prefix": settings.prefix,
        "endpoint": endpoint,
        "model": model,
        "columns": settings.columns,
    }


def to_replace(frame: pd.DataFrame, record: dict[str, str], *, overwrite: bool) -> list[str]:
    """Decide which columns give way to the new ones, before anything is sent.

    Returns
    -------
    list of str
        Those of an earlier run of the same call; with `overwrite`, any of the same name.

    Raises
    ------
    ColumnError
        Other columns would be overwritten, or the audio itself would.
    """
    old = next((old for old in _records(frame) if old["prefix"] == record["prefix"]), None)
    ours = _written(old) & set(frame.columns) if old else set()
    same_call = old is not None and all(old[key] == record[key] for key in _CALL)
    clashing = [
        name
        for name in columns.names(record["columns"], prefix=record["prefix"])
        if name in frame.columns and not (same_call and name in ours)
    ]
    if record["audio"] in clashing or (clashing and not overwrite):
        message = (
            f"the frame has columns that would be overwritten: {', '.join(clashing)}.\n\n"
            "Hint: prefix='asr_' puts the results beside them; overwrite=True replaces them."
        )
        raise ColumnError(message)
    # What the earlier run wrote beyond the new columns would tell of transcripts that are gone.
    return [name for name in frame.columns if name in {*clashing, *ours} - {record["audio"]}]


def attach(
    frame: pd.DataFrame,
    results: pd.DataFrame,
    *,
    record: dict[str, str],
    replaced: Sequence[str],
) -> pd.DataFrame:
    """Move the result columns behind the frame's own, in a new frame with the same rows."""
    out = frame.drop(columns=list(replaced))
    for name in list(results.columns):
        out[name] = results.pop(name).array  # one after the other: no two of all in memory
    others = [old for old in _records(frame) if old["prefix"] != record["prefix"]]
    out.attrs[_RECORD] = [*others, record]
    return out


def _written(record: dict[str, str]) -> set[str]:
    return set(columns.names(record["columns"], prefix=record["prefix"])) - {record["audio"]}


def _records(frame: pd.DataFrame) -> list[dict[str, str]]:
    # attrs are anybody's: only what has our form counts.
    found = frame.attrs.get(_RECORD)
    return [
        record
        for record in (found if isinstance(found, list) else [])
        if isinstance(record, dict)
        and record.keys() >= _RECORDED
        and all(isinstance(value, str) for value in record.values())
    ]
