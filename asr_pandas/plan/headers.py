"""A row in, what its audio's header tells out; no file is read beyond that, no host is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from asr_pandas.audio.cells import Reading, is_missing, read
from asr_pandas.audio.fit import MEDIA_TYPES, fit, refuse_too_large, refuse_too_long
from asr_pandas.audio.paths import local_path, look, scheme
from asr_pandas.audio.probe import probe
from asr_pandas.audio.stores import is_stored
from asr_pandas.errors import AudioError
from asr_pandas.model import Clip
from asr_pandas.plan.found import Found

if TYPE_CHECKING:
    from asr_pandas.plan.found import Source

CONVERTED: Final = "is converted to FLAC, which the service lists"
# 30 s of speech at 16 kHz became 601 KB with libsndfile: what a conversion is taken to yield.
FLAC_BYTES_PER_SECOND: Final = 20_000


def glimpsed(cell: object, identity: str | None) -> Found:
    """Look at a row's audio from outside.

    Parameters
    ----------
    cell : object
        Anything that `read` takes, or does not.
    identity : str, optional
        What the journal knows it by, where that needs no reading.
    """
    source = source_of(cell)
    if source == "none":
        return Found(source=source)
    if source in {"http", "store"}:
        return Found(source=source, same=address_of(cell))
    try:
        clip = _headed(cell)
    except AudioError as error:
        return Found(source=source, error=error.kind, message=str(error))
    return described(clip, source, identity=identity or clip.identity)


def source_of(cell: object) -> Source:
    """Tell where a cell's audio is."""
    if is_missing(cell):
        return "none"
    named = address_of(cell)
    if scheme(named) == "data":
        return "cell"
    if scheme(named) in {"http", "https"}:
        return "http"
    if is_stored(named):
        return "store"
    return "file" if _path(cell) is not None else "cell"


def address_of(cell: object) -> str:
    """Return the text that stands for a cell where it may be an address; "" where it has none."""
    if isinstance(cell, dict) and cell.get("bytes") is None:
        cell = cell.get("path")
    return cell.strip() if isinstance(cell, str) else ""


def described(clip: Clip, source: Source, *, identity: str | None) -> Found:
    """Say what a clip is, and whether it can be sent, from its header."""
    listed = clip.container in MEDIA_TYPES
    found = Found(
        source=source,
        same=identity or (clip.file.path if clip.file else None),
        identity=identity,
        container=clip.container,
        duration=clip.duration,
        exact=clip.exact,
        size=clip.size if listed else int((clip.duration or 0) * FLAC_BYTES_PER_SECOND),
        message=None if listed else CONVERTED,
    )
    try:
        _refuse(clip, listed=listed)
    except AudioError as error:
        return refused(found, error)
    return found


def refused(found: Found, error: AudioError) -> Found:
    """Say that it cannot be sent."""
    return replace(found, error=error.kind, message=str(error))


def _refuse(clip: Clip, *, listed: bool) -> None:
    if listed:
        fit(clip)
        return
    # In the order of a run: as it is found, then as it is converted.
    refuse_too_large(clip.name, clip.size)
    refuse_too_long(clip)


def _headed(cell: object) -> Clip:
    """Read a file's header alone; what is in the frame, and what is wrong, is for `read`."""
    path = _path(cell)
    if path is None:
        return read(cell)
    try:
        file = look(path)
        header = probe(Path(file.path))
    except Exception:  # noqa: BLE001 - `read` says what is wrong, in the words of a run
        return read(cell, Reading(hold=0))
    return Clip(
        name=repr(path),
        file=file,
        container=header.container,
        duration=header.duration,
        exact=header.exact,
    )


def _path(cell: object) -> str | None:
    try:
        return local_path(cell)
    except Exception:  # noqa: BLE001 - as above: a cell may do anything when asked for its path
        return None
