"""What somebody names on a command line → a frame with one row for each clip."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from asr_pandas.columns import TEXT
from asr_pandas.errors import ColumnError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

AUDIO: Final = "audio"
"""The name of the column where nobody gives another."""

# What a folder is searched for; a file that is named is taken whatever its ending.
ENDINGS: Final = frozenset(
    (
        ".aac",
        ".aif",
        ".aiff",
        ".amr",
        ".avi",
        ".flac",
        ".flv",
        ".m4a",
        ".mka",
        ".mkv",
        ".mov",
        ".mp3",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".oga",
        ".ogg",
        ".opus",
        ".wav",
        ".webm",
        ".wma",
        ".wmv",
    )
)
_TABLES: Final = frozenset({".csv", ".parquet"})


def read_sources(sources: Sequence[str], *, column: str | None = None) -> tuple[pd.DataFrame, str]:
    """Build the frame that is to be transcribed.

    Parameters
    ----------
    sources : sequence of str
        Files, folders (searched through and through), globs and http(s) URLs; or one table, `.csv`
        or `.parquet`.
    column : str, optional
        The column of the table that holds the audio; left out, `audio`.

    Returns
    -------
    frame : pandas.DataFrame
        The table; or one row for each clip in natural order, in a column `audio`.
    column : str
        The column that holds the audio.

    Raises
    ------
    OptionError
        Nothing is found under a name, or a table is not named alone.
    ColumnError
        The table has no such column.
    """
    tables = [source for source in sources if Path(source).suffix.lower() in _TABLES]
    if tables:
        if len(sources) > 1:
            message = f"{tables[0]!r} is a table: name it alone"
            raise OptionError(message)
        return _read_table(Path(tables[0]), column or AUDIO)
    if column is not None:
        message = "--column goes with one .csv or .parquet"
        raise OptionError(message)
    clips = [clip for source in sources for clip in _clips(source)]
    return pd.DataFrame({AUDIO: pd.array(clips, dtype=TEXT)}), AUDIO


def natural(names: Iterable[str]) -> list[str]:
    """Sort names as people do: `take 2` before `take 10`.

    Examples
    --------
    >>> natural(["b.wav", "take 10.wav", "take 2.wav"])
    ['b.wav', 'take 2.wav', 'take 10.wav']
    """
    return sorted(names, key=_natural_key)


def _natural_key(name: str) -> list[tuple[int, Any]]:
    parts = re.split(r"(\d+)", name.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def _clips(source: str) -> list[str]:
    if source.startswith(("http://", "https://")):
        return [source]
    path = Path(source).expanduser()
    if path.is_dir():
        found = [str(clip) for clip in path.rglob("*") if clip.suffix.lower() in ENDINGS]
    elif path.exists():
        found = [str(path)]
    else:
        # Path.glob takes no pattern that starts at a root or at home.
        matching = glob.glob(str(path), recursive=True)  # noqa: PTH207
        found = [clip for clip in matching if Path(clip).is_file()]
    if not found:
        message = f"nothing to transcribe is found under {source!r}"
        raise OptionError(message)
    return natural(found)


def _read_table(path: Path, column: str) -> tuple[pd.DataFrame, str]:
    try:
        frame = pd.read_csv(path) if path.suffix.lower() == ".csv" else pd.read_parquet(path)
    except (OSError, ValueError) as error:
        message = f"{str(path)!r} cannot be read as a table: {error}"
        raise OptionError(message) from error
    if column not in frame.columns:
        names = ", ".join(map(repr, frame.columns))
        message = f"{str(path)!r} has no column {column!r}.\n\nHint: --column takes one of {names}."
        raise ColumnError(message)
    return frame, column
