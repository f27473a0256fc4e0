"""What somebody names on a command line → a frame with one row for each clip."""

from __future__ import annotations

import glob
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from asr_pandas.columns import TEXT
from asr_pandas.errors import OptionError
from asr_pandas.files.tables import is_table, read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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
_LONGEST_NAME: Final = 200  # characters


def read_sources(sources: Sequence[str], *, column: str | None = None) -> tuple[pd.DataFrame, str]:
    """Build the frame that is to be transcribed.

    Parameters
    ----------
    sources : sequence of str
        Files, folders (searched through and through), globs and http(s) URLs; or one table, `.csv`
        or `.parquet`; a CSV is read as text alone.
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
    tables = [source for source in sources if is_table(source) and not _is_address(source)]
    if tables:
        if len(sources) > 1:
            message = f"{tables[0]!r} is a table: name it alone"
            raise OptionError(message)
        with _looking_up(tables[0]):
            path = _expanded(tables[0])
        return read_table(path, column or AUDIO), column or AUDIO
    if column is not None:
        message = "--column goes with one .csv or .parquet"
        raise OptionError(message)
    clips = [clip for source in sources for clip in _clips(source)]
    return pd.DataFrame({AUDIO: pd.Series(clips, dtype=_dtype(clips))}), AUDIO


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


def _is_address(source: str) -> bool:
    return source.lower().startswith(("http://", "https://"))


def _dtype(clips: Sequence[str]) -> Any:  # noqa: ANN401  (what pandas takes for one)
    try:
        "".join(clips).encode()
    except UnicodeEncodeError:
        # A file's name may be any bytes; pandas' text is UTF-8.
        return object
    return TEXT


def _clips(source: str) -> list[str]:
    if _is_address(source):
        return [source]
    with _looking_up(source):
        found = _found(_expanded(source))
    if not found:
        hint = ". Hint: in a pattern, a [ that is part of a name is written [[]"
        message = f"nothing to transcribe is found under {_named(source)}"
        raise OptionError(message + (hint if "[" in source else ""))
    return natural(_OTHERWISE_READ.sub(r"./\g<0>", clip) for clip in found)


# A cell that begins so would not be read as the name of a file in this folder.
_OTHERWISE_READ: Final = re.compile(r"^(~|(data|file|https?):)", re.IGNORECASE)


@contextmanager
def _looking_up(source: str) -> Iterator[None]:
    """Make one line of a name that is too long, not ours to read, or in nobody's home."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"{_named(source)} cannot be looked up: {reason}"
        raise OptionError(message) from error


def _expanded(source: str) -> Path:
    path = Path(source)
    return path if path.exists() else path.expanduser()


def _is_audio(path: Path) -> bool:
    # Hidden files are nobody's recordings; macOS leaves one beside each file on a foreign disk.
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".")


def _found(path: Path) -> list[str]:
    if path.is_dir():
        return [str(clip) for clip in path.rglob("*") if _is_audio(clip)]
    if path.exists():
        return [str(path)]
    # Path.glob takes no pattern that starts at a root or at home.
    matching = glob.glob(str(path), recursive=True)  # noqa: PTH207
    return [clip for clip in matching if Path(clip).is_file()]


def _named(source: str) -> str:
    name = repr(source)
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
