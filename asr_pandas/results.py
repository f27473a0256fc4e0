"""Result columns back in, whatever became of them: numbers, times and words again. Pure.

After a merge, a concat, CSV or Parquet, a number may be text, a time an object, and any column but
`status` may be gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from asr_pandas.errors import ColumnError

if TYPE_CHECKING:
    from collections.abc import Hashable

_RECORD: Final = "asr_pandas"  # the key in `df.attrs`
# Names that a frame hardly has of its own, unlike `model` or `cost`: they show the full columns.
_ONLY_IN_FULL: Final = ("transcribed_at", "reused", "finish_reason", "language_detected")
_TRUTHS: Final = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


@dataclass(frozen=True, slots=True)
class Results:
    """The result columns of one prefix, by position.

    Parameters
    ----------
    frame : pandas.DataFrame
        A frame with result columns, basic or full.
    prefix : str
        What stands before their names.

    Raises
    ------
    ColumnError
        There are none of that prefix.
    """

    frame: pd.DataFrame
    prefix: str = ""

    def __post_init__(self) -> None:
        """Refuse a frame without results."""
        if f"{self.prefix}status" not in self.frame.columns:
            raise ColumnError(_no_results(self.frame, self.prefix))

    @property
    def record(self) -> dict[str, Any]:
        """What the frame says of the call that wrote the columns; empty where it says nothing."""
        # attrs are anybody's: only what has our form counts.
        found = self.frame.attrs.get(_RECORD)
        listed = found if isinstance(found, list) else []
        ours = (each for each in listed if isinstance(each, dict))
        return next((each for each in ours if each.get("prefix") == self.prefix), {})

    @property
    def is_full(self) -> bool:
        """Whether `model` or `cost`, say, are ours, and not the frame's own."""
        level = self.record.get("columns")
        if level is not None:
            return bool(level == "full")
        return any(self.prefix + name in self.frame.columns for name in _ONLY_IN_FULL)

    @property
    def done(self) -> pd.Series[bool]:
        """Whether each row has a reply."""
        return self.words("status").isin(["ok", "empty"])

    def words(self, name: str, *, full: bool = False) -> pd.Series[Any]:
        """Take a column as it is, None where a cell is missing.

        Parameters
        ----------
        name : str
            Without the prefix.
        full : bool
            Whether it is one of the full columns alone.
        """
        label = self.prefix + name
        if label not in self.frame.columns or (full and not self.is_full):
            return self.all_rows(None)
        column = by_position(self.frame, label).astype(object)
        return column.where(column.notna(), None)

    def numbers(self, name: str, *, full: bool = False) -> pd.Series[Any]:
        """Take a column as Float64, missing where a cell is no finite number."""
        read = pd.to_numeric(self.words(name, full=full), errors="coerce").astype("Float64")
        return read.where(read.abs() < float("inf"), pd.NA)

    def times(self, name: str) -> pd.Series[Any]:
        """Take one of the full columns as times in UTC."""
        column = self.words(name, full=True)
        return pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")

    def truths(self, name: str) -> pd.Series[Any]:
        """Take one of the full columns as boolean."""
        words = self.words(name, full=True).map(lambda value: str(value).strip().lower())
        return words.map(_TRUTHS).astype("boolean")

    def all_rows(self, value: object) -> pd.Series[Any]:
        """Say the same of every row."""
        return pd.Series(value, index=pd.RangeIndex(len(self.frame)), dtype=object)


def by_position(frame: pd.DataFrame, label: Hashable) -> pd.Series[Any]:
    """Take a column as `column_of`, with its rows numbered: the frame's labels may repeat."""
    return column_of(frame, label).reset_index(drop=True)


def column_of(frame: pd.DataFrame, label: Hashable) -> pd.Series[Any]:
    """Take a column.

    Raises
    ------
    ColumnError
        There is no such column, or there are two.
    """
    if not is_column(frame, label):
        message = f"there is no column {label!r}.\n\nHint: the frame's columns are {_names(frame)}."
        raise ColumnError(message)
    found = frame[label]
    if isinstance(found, pd.DataFrame):
        message = f"{label!r} names {found.shape[1]} columns.\n\nHint: give one a name of its own."
        raise ColumnError(message)
    return found


def is_column(frame: pd.DataFrame, label: object) -> bool:
    """Tell whether a label is that of a column."""
    # A list or another column would be looked up too, as several labels at once.
    return pd.api.types.is_hashable(label) and label in frame.columns


def _no_results(frame: pd.DataFrame, prefix: str) -> str:
    return (
        f"there are no result columns: the frame has no {prefix + 'status'!r}.\n\n"
        f"Hint: prefix= is what stands before 'status'; the frame's columns are {_names(frame)}."
    )


def _names(frame: pd.DataFrame) -> str:
    return ", ".join(map(repr, frame.columns)) or "none at all"
