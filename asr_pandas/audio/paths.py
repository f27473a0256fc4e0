"""A cell in, the local file that it names out; nothing is read."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

from asr_pandas.model import File

if TYPE_CHECKING:
    from collections.abc import Mapping


def local_path(cell: Any) -> str | None:  # noqa: ANN401  (a cell may be anything)
    """Return the path that a cell names, or None where it names none.

    Parameters
    ----------
    cell : object
        A str or PathLike (`~`, relative, `file://`), or a Hugging Face dict without bytes.

    Examples
    --------
    >>> local_path("calls/0001.wav"), local_path("https://example.org/a.wav"), local_path(b"RIFF")
    ('calls/0001.wav', None, None)
    """
    if isinstance(cell, dict):
        return _path_of_dict(cell)
    if isinstance(cell, os.PathLike):
        cell = os.fsdecode(cell)
    if not isinstance(cell, str):
        return None
    kind = scheme(cell)
    if kind == "file":
        from urllib.request import url2pathname

        return url2pathname(urlsplit(cell).path)
    if kind == "data" or "://" in cell:
        return None
    return os.path.expanduser(cell)  # noqa: PTH111 - a Path costs more than all the rest of a look


def _path_of_dict(cell: Mapping[str, object]) -> str | None:
    return None if cell.get("bytes") is not None else local_path(cell.get("path"))


def scheme(cell: str) -> str:
    """Return what stands before the first colon, in lower case.

    Examples
    --------
    >>> scheme("HTTPS://example.org/a.wav")
    'https'
    """
    return cell.lstrip()[:16].partition(":")[0].lower()


def look(path: str) -> File:
    """Take down what a file looks like from outside.

    Raises
    ------
    OSError
        It is not there, or would block or never end: a folder, a pipe, a device.
    """
    return _file(path, os.stat(path))  # noqa: PTH116 - as above


def look_again(path: str, opened: BinaryIO) -> File:
    """Take down what an open file looks like: it, and no other that took its name since."""
    return _file(path, os.fstat(opened.fileno()))


def _file(path: str, found: os.stat_result) -> File:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(0, "it is a folder")
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, "it is not a regular file")
    whole = os.path.abspath(path)  # noqa: PTH100 - as above
    return File(path=whole, size=found.st_size, mtime_ns=found.st_mtime_ns)
