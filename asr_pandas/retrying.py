"""Again, for some rows: which they are, and where their new results go. Pure but for the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np
import pandas as pd

from asr_pandas import columns
from asr_pandas.columns import TEXT
from asr_pandas.errors import (
    ErrorKind,
    Interrupted,
    JournalError,
    OptionError,
    RowFailed,
    RunStopped,
)
from asr_pandas.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Rows = NDArray[np.bool_]

_STATUSES: Final = ("failed", "cancelled", "pending")  # rows that may still get a result
_PER_ROW: Final = ("language_from", "context_from")


def retry(
    frame: pd.DataFrame,
    which: Any,  # noqa: ANN401  (a word, a mask or nothing)
    options: dict[str, Any],
    transcribe: Callable[[pd.DataFrame, dict[str, Any]], pd.DataFrame],
) -> pd.DataFrame:
    """Transcribe some rows of a frame again, and put the new results in their places.

    Parameters
    ----------
    frame : pandas.DataFrame
        A frame with result columns.
    which : str, mask or None
        As in `DataFrame.asr.retry`.
    options : dict
        Those of `transcribe`.
    transcribe : callable
        Runs over the chosen rows.

    Raises
    ------
    ColumnError, OptionError
        There are no results, or no such rows; nothing was sent.
    RunStopped, RowFailed, Interrupted, JournalError
        As in `transcribe`; `.partial` is the whole frame.
    """
    results = Results(frame, options.get("prefix", ""))
    rows = chosen(results, which)
    if not rows.any():
        return frame.copy()
    level = "full" if results.is_full else "basic"
    part = {**options, **_sliced(frame, options, rows), "columns": level, "overwrite": True}
    try:
        again = transcribe(frame.iloc[rows], part)
    except (RunStopped, RowFailed, Interrupted, JournalError) as ended:
        if ended.partial is not None:
            ended.partial = put(results, ended.partial, rows)
        raise
    return put(results, again, rows)


def chosen(results: Results, which: Any) -> Rows:  # noqa: ANN401
    """Say which rows are meant.

    Raises
    ------
    OptionError
        The word is no kind of error, or the mask is none of this frame's.
    """
    status = results.words("status")
    if which is None:
        return (status == "failed").to_numpy()
    if isinstance(which, str):
        return _by_word(results, which)
    if isinstance(which, pd.Series) and not which.index.equals(results.frame.index):
        raise OptionError("the mask is a Series whose index is not the frame's: align it first")
    if isinstance(which, pd.Series) and pd.api.types.is_bool_dtype(which.dtype):
        which = which.fillna(value=False).to_numpy(bool)  # a row without an error is none of them
    mask = np.asarray(which)
    if mask.dtype != bool or mask.shape != (len(results.frame),):
        raise OptionError(
            f"{len(results.frame):,} truth values are expected, one for each row.\n\n"
            "Hint: df.asr.retry('audio', df['error'] == 'timeout')"
        )
    return mask


def put(results: Results, again: pd.DataFrame, rows: Rows) -> pd.DataFrame:
    """Put new results into the places of the old ones, in a new frame."""
    out = results.frame.copy()
    level = columns.FULL if results.is_full else columns.BASIC
    for column in level:
        name = results.prefix + column.name
        if name in out.columns:
            cells = _read(results, column.name, column.dtype)
            cells[rows] = again[name].array
            out[name] = cells
    return out


def _by_word(results: Results, word: str) -> Rows:
    if word in _STATUSES:
        return (results.words("status") == word).to_numpy()
    if word in get_args(ErrorKind):
        failed = results.words("status") == "failed"
        return (failed & (results.words("error") == word)).to_numpy()
    known = ", ".join(map(repr, (*get_args(ErrorKind), *_STATUSES)))
    raise OptionError(f"{word!r} is no kind of error.\n\nHint: it is one of {known}.")


def _sliced(frame: pd.DataFrame, options: dict[str, Any], rows: Rows) -> dict[str, Any]:
    """Cut the options that have a value for each row of the whole frame."""
    return {
        name: options[name].iloc[rows]
        for name in _PER_ROW
        if isinstance(options.get(name), pd.Series) and len(options[name]) == len(frame)
    }


def _read(results: Results, name: str, dtype: Any) -> Any:  # noqa: ANN401  (pandas' own unions)
    if dtype == TEXT:
        return pd.array(results.words(name).tolist(), dtype=dtype)
    if dtype == "boolean":
        return results.truths(name).array.copy()
    if dtype == "object":
        return results.words(name).to_numpy(copy=True)
    if "UTC" in dtype:
        return results.times(name).astype(dtype).array.copy()
    return results.numbers(name).astype(dtype).array.copy()
