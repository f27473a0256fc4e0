"""A `.csv` or `.parquet` file → a frame that has the column with the audio."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd

from asr_pandas.columns import TEXT
from asr_pandas.errors import ColumnError, OptionError

_TABLES: Final = frozenset({".csv", ".parquet"})


def is_table(name: str) -> bool:
    """Tell by its ending whether a file is a table."""
    return Path(name).suffix.lower() in _TABLES


def read_table(path: Path, column: str) -> pd.DataFrame:
    """Read a table.

    Parameters
    ----------
    path : Path
        Parquet keeps its dtypes and its index. CSV is read as text alone, so that `007` and `NA`
        stay what they are; only an empty cell is missing.
    column : str
        The column that holds the audio.

    Raises
    ------
    OptionError
        The file cannot be read as what its ending says.
    ColumnError
        There is no such column.
    """
    try:
        frame = _read(path)
    except (OSError, ValueError) as error:
        message = f"{str(path)!r} cannot be read as a table: {error}"
        raise OptionError(message) from error
    if column not in frame.columns:
        names = ", ".join(map(repr, frame.columns))
        message = f"{str(path)!r} has no column {column!r}.\n\nHint: --column takes one of {names}."
        raise ColumnError(message)
    return frame


def _read(path: Path) -> pd.DataFrame:
    if path.suffix.lower() == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, dtype=TEXT, keep_default_na=False, na_values=[""])
