"""A cell in, a `Clip` out: whatever a column holds, as encoded bytes or as an address."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

import pandas as pd
import pybase64

from asr_pandas.audio.fit import refuse_too_large
from asr_pandas.audio.probe import probe
from asr_pandas.errors import AudioError
from asr_pandas.model import Clip

if TYPE_CHECKING:
    from collections.abc import Iterable

_READ: Final = (
    "a path, an http(s) or data URL, bytes, or a dict with 'bytes' or 'path' is read from a cell"
)
_LONGEST_NAME: Final = 200  # characters


def is_missing(cell: Any) -> bool:  # noqa: ANN401  (a cell may be anything)
    """Tell whether a cell holds no audio at all.

    Examples
    --------
    >>> [is_missing(cell) for cell in (None, float("nan"), " ", {"bytes": None, "path": None})]
    [True, True, True, True]
    >>> is_missing("calls/0001.wav")
    False
    """
    if isinstance(cell, str):
        return not cell.strip()
    if isinstance(cell, dict):
        path = cell.get("path")
        return cell.get("bytes") is None and (path is None or path == "")
    return pd.api.types.is_scalar(cell) and bool(pd.isna(cell))


def read(cell: object) -> Clip:
    """Read a cell's audio.

    Parameters
    ----------
    cell : object
        A str or PathLike path (`~`, relative, `file://`), an http(s) URL (the service fetches it),
        a data URL, bytes-like, or a Hugging Face dict `{"bytes", "path"}`.

    Raises
    ------
    AudioError
        The cell cannot be read, or what it holds is no audio. The message names cause and way out.

    Examples
    --------
    >>> read("https://example.org/a.mp3").url
    'https://example.org/a.mp3'
    """
    try:
        return _read(cell)
    except AudioError:
        raise
    except Exception as error:
        # A cell may be any object, and may do anything when it is asked for its path.
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        message = f"{_name(cell)}: cannot be read: {reason}. Hint: {_way_out(error)}."
        raise AudioError(message) from error


def total_duration(cells: Iterable[object], *, enough: float = float("inf")) -> float:
    """Add up the durations of all cells whose headers can be read here.

    Parameters
    ----------
    cells : iterable
        Addresses, missing and unreadable cells count nothing.
    enough : float
        Seconds after which the rest is not looked at.

    Returns
    -------
    float
        Seconds.
    """
    total = 0.0
    for cell in cells:
        total += _duration(cell)
        if total > enough:
            break
    return total


def _way_out(error: Exception) -> str:
    match error:
        case FileNotFoundError():
            return "relative paths start at the folder in which Python runs"
        case PermissionError():
            return "give yourself the right to read it"
        case IsADirectoryError():
            return 'a folder becomes rows with sorted(Path(folder).glob("*.wav"))'
    return _READ


def _duration(cell: object) -> float:
    if is_missing(cell):
        return 0.0
    try:
        path = _local_path(cell)
        return probe(_regular_file(path)).duration if path else read(cell).duration or 0.0
    except Exception:  # noqa: BLE001 - `read` says what is wrong, when it is the row's turn
        return 0.0


def _read(cell: object) -> Clip:
    match cell:
        case str() if _scheme(cell) in {"http", "https"}:
            return Clip(name=_name(cell), url=_address(cell))
        case str() if _scheme(cell) == "data":
            return _clip(cell, _from_data_url(cell))
        case bytes() | bytearray() | memoryview():
            return _clip(cell, bytes(cell))
        case {"bytes": bytes() | bytearray() | memoryview() as content, **rest}:
            return _clip(rest.get("path") or content, bytes(content))
        case {"bytes": None, "path": str() | os.PathLike() as named}:
            return _read(named)
    path = _local_path(cell)
    if path is None:
        message = f"{_name(cell)}: is not audio that can be read. Hint: {_READ}."
        raise AudioError(message)
    refuse_too_large(_name(cell), _regular_file(path).stat().st_size)
    return _clip(cell, path.read_bytes())


def _clip(cell: object, content: bytes) -> Clip:
    name = _name(cell)
    if not content:
        message = f"{name}: is empty. Hint: an upload or a copy may have been cut off."
        raise AudioError(message)
    try:
        header = probe(content)
    except AudioError as error:
        message = (
            f"{name}: cannot decode {len(content):,} bytes as audio: {error}. "
            "Hint: the file may be cut off, or be something else than its name says."
        )
        raise AudioError(message) from error
    return Clip(name=name, content=content, container=header.container, duration=header.duration)


def _local_path(cell: object) -> Path | None:
    if isinstance(cell, dict):
        return None if cell.get("bytes") is not None else _local_path(cell.get("path"))
    if isinstance(cell, os.PathLike):
        cell = os.fsdecode(cell)
    if not isinstance(cell, str) or _scheme(cell) in {"data", "http", "https"}:
        return None
    if _scheme(cell) == "file":
        from urllib.request import url2pathname

        return Path(url2pathname(urlsplit(cell).path))
    if "://" in cell:
        message = (
            f"{_name(cell)}: addresses of kind {_scheme(cell)}:// are not read yet. "
            "Hint: download the file first."
        )
        raise AudioError(message)
    return Path(cell).expanduser()


def _scheme(cell: str) -> str:
    return cell.lstrip().partition(":")[0].lower()


def _address(cell: str) -> str:
    """Return an address as it travels; what cannot travel is a ValueError."""
    cell.encode()
    return cell.strip()


def _regular_file(path: Path) -> Path:
    """Refuse what would block or never end: folders, pipes, devices."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(0, "it is a folder")
    if not stat.S_ISREG(mode):
        raise OSError(0, "it is not a regular file")
    return path


def _from_data_url(url: str) -> bytes:
    head, comma, content = url.partition(",")
    if not comma:
        message = "a data URL has a comma before its content"
        raise ValueError(message)
    if head.endswith(";base64"):
        return pybase64.b64decode(content, validate=True)
    return unquote_to_bytes(content)


def _name(cell: Any) -> str:  # noqa: ANN401  (a cell may be anything)
    """Name a cell in a message; `repr` keeps what is in a file name from acting there."""
    if isinstance(cell, bytes | bytearray | memoryview):
        return f"{len(cell):,} bytes"
    if isinstance(cell, os.PathLike):
        with suppress(Exception):
            cell = os.fsdecode(cell)
    name = repr(cell) if isinstance(cell, str) else f"a {type(cell).__name__}"
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
