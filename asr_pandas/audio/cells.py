"""A cell in, a `Clip` out: whatever a column holds, as encoded bytes or as an address."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

import pandas as pd
import pybase64

from asr_pandas.audio import signatures, stores
from asr_pandas.audio.fit import LARGEST, refuse_too_large
from asr_pandas.audio.paths import local_path, look, look_again, scheme
from asr_pandas.audio.probe import probe
from asr_pandas.audio.remote import fetch_http
from asr_pandas.audio.stores import Stores, is_stored
from asr_pandas.errors import AudioError
from asr_pandas.model import Clip

if TYPE_CHECKING:
    from collections.abc import Iterable

_READ: Final = (
    "a path, an http(s) or data URL, a store's address (s3://…), bytes, or a dict with 'bytes' or "
    "'path' is read from a cell"
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
        return cell.get("bytes") is None and is_missing(cell.get("path"))
    return pd.api.types.is_scalar(cell) and bool(pd.isna(cell))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the cells of a run are read.

    Parameters
    ----------
    hold : int
        Bytes; a larger file is read to know its digest, and left on the disk.
    fetch : bool
        Whether http(s) URLs are downloaded here, and not by the service.
    stores : Stores
        The stores that were opened.
    """

    hold: int = sys.maxsize
    fetch: bool = False
    stores: Stores = field(default_factory=Stores)


def read(cell: object, reading: Reading | None = None) -> Clip:
    """Read a cell's audio.

    Parameters
    ----------
    cell : object
        A str or PathLike path (`~`, relative, `file://`), an http(s) URL (the service fetches it),
        an address in a store (`s3://`, `gs://`…), a data URL, bytes-like, or a Hugging Face dict
        `{"bytes", "path"}`.
    reading : Reading, optional
        How; by default everything is held, and nothing downloaded that the service can fetch.

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
        return _read(cell, reading or Reading())
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
        return duration(cell) or 0.0
    except Exception:  # noqa: BLE001 - `read` says what is wrong, when it is the row's turn
        return 0.0


def identify_bytes(cell: object) -> str | None:
    """Return the digest of a cell that holds its audio itself; None for any other."""
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if isinstance(content, memoryview):
        content = content.tobytes()  # it may have gaps
    return _digest(content) if isinstance(content, bytes | bytearray) and content else None


def _digest(content: bytes | bytearray) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def duration(cell: object) -> float | None:
    """Read a cell's duration from its header.

    Returns
    -------
    float or None
        Seconds; None for an address, which is not asked.

    Raises
    ------
    AudioError, OSError
        It cannot be read.
    """
    path = local_path(cell)
    if path is not None:
        return probe(Path(look(path).path)).duration
    return None if _is_address(cell) else read(cell).duration


def _is_address(cell: object) -> bool:
    named = cell.get("path") if isinstance(cell, dict) and cell.get("bytes") is None else cell
    return isinstance(named, str) and "://" in named and scheme(named) not in {"data", "file"}


def _read(cell: object, reading: Reading) -> Clip:  # noqa: PLR0911 - a form each
    match cell:
        case str() if scheme(cell) in {"http", "https"}:
            return _from_http(cell, fetch=reading.fetch)
        case str() if scheme(cell) == "data":
            return _clip(cell, _from_data_url(cell))
        case str() if is_stored(cell):
            return _clip(cell, reading.stores.fetch(cell, largest=LARGEST))
        case bytes() | bytearray() | memoryview():
            return _clip(cell, bytes(cell))
        case {"bytes": bytes() | bytearray() | memoryview() as content, **rest}:
            return _clip(rest.get("path") or content, bytes(content))
        case {"bytes": None, "path": str() | os.PathLike() as named}:
            return _read(named, reading)
    path = local_path(cell)
    if path is None:
        message = f"{_name(cell)}: is not audio that can be read. Hint: {_READ}."
        raise AudioError(message)
    return _from_file(cell, path, hold=reading.hold)


def _from_http(cell: str, *, fetch: bool) -> Clip:
    address = _address(cell)
    if fetch:
        return _clip(cell, fetch_http(address, largest=LARGEST))
    return Clip(name=_name(cell), url=address)


def _from_file(cell: object, path: str, *, hold: int) -> Clip:
    """Read a file: whole, or for its digest alone where it is larger than what is held."""
    look(path)  # before it is opened: a pipe would never end
    with Path(path).open("rb") as opened:
        file = look_again(path, opened)
        refuse_too_large(_name(cell), file.size)
        if file.size <= hold:
            return replace(_clip(cell, opened.read()), file=file)
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    clip = _probed(cell, Path(file.path), size=file.size)
    return replace(clip, file=file, identity=f"sha256:{digest}")


def _clip(cell: object, content: bytes) -> Clip:
    if not content:
        message = f"{_name(cell)}: is empty. Hint: an upload or a copy may have been cut off."
        raise AudioError(message)
    clip = _probed(cell, content, size=len(content))
    return replace(clip, content=content, identity=_digest(content))


def _probed(cell: object, source: bytes | Path, *, size: int) -> Clip:
    name = _name(cell)
    try:
        header = probe(source)
    except AudioError as error:
        message = (
            f"{name}: cannot decode {size:,} bytes as audio: {error}. "
            "Hint: the file may be cut off, or be something else than its name says."
        )
        raise AudioError(message) from error
    return Clip(name=name, container=header.container, duration=header.duration, exact=header.exact)


def _address(cell: str) -> str:
    """Return an address as it travels; what cannot travel is a ValueError."""
    cell.encode()
    return cell.strip()


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
    if isinstance(cell, str) and scheme(cell) in {"http", "https"}:
        return signatures.named(cell.strip())
    if is_stored(cell):
        return stores.named(cell)
    name = repr(cell) if isinstance(cell, str) else f"a {type(cell).__name__}"
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
