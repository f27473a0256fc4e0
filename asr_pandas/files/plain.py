"""A frame → one whose cells a file can hold: names in UTF-8, recordings as their size. Pure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable


def in_utf8(frame: pd.DataFrame) -> pd.DataFrame:
    r"""Return a frame whose texts can be encoded; what a file name has beyond UTF-8 becomes `?`.

    Examples
    --------
    >>> in_utf8(pd.DataFrame({"audio": pd.Series(["bad\udcff.wav"], dtype=object)}))["audio"][0]
    'bad?.wav'
    """
    return _mapped(frame, _encodable)


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame that can be written as text: see `shown`; an index that says something too.

    Parameters
    ----------
    frame : pandas.DataFrame
        Any frame; its object columns may hold recordings.

    Returns
    -------
    pandas.DataFrame
        The same rows. An index that has a name, or is not just the count of rows, stands in
        columns before the others.
    """
    return _mapped(_with_index(frame), lambda cell: _encodable(shown(cell)))


def shown(cell: Any) -> Any:  # noqa: ANN401  (a cell may be anything)
    """Show a recording by its path, else by its size; every other cell stays.

    Examples
    --------
    >>> shown(bytes(5912))
    '5,912 bytes'
    >>> shown({"bytes": b"RIFF", "path": "a.wav"})
    'a.wav'
    """
    match cell:
        case bytes() | bytearray() | memoryview():
            return f"{len(cell):,} bytes"
        case {"bytes": None | bytes() | bytearray() | memoryview() as content, **rest}:
            return shown(rest.get("path") or content)
        case os.PathLike():
            return os.fsdecode(cell)
    return cell


def _encodable(cell: Any) -> Any:  # noqa: ANN401
    return cell.encode(errors="replace").decode() if isinstance(cell, str) else cell


def _mapped(frame: pd.DataFrame, change: Callable[[Any], Any]) -> pd.DataFrame:
    # Only object columns hold bytes, or texts that are no UTF-8. By position: names may repeat.
    out = frame.copy(deep=False)
    for position, dtype in enumerate(frame.dtypes):
        if pd.api.types.is_object_dtype(dtype):
            cells = [change(cell) for cell in frame.iloc[:, position]]
            out.isetitem(position, pd.Series(cells, dtype=object).array)
    return out


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    index = frame.index
    if isinstance(index, pd.RangeIndex) and index.name is None:
        return frame
    names: list[Any] = []
    for level, name in enumerate(index.names):
        free = name if name is not None else "index" if index.nlevels == 1 else f"level_{level}"
        while free in frame.columns or free in names:
            free = f"{free}_index"
        names.append(free)
    return frame.reset_index(names=names)
