"""A frame with transcripts → a file, whose form is told by its ending."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from asr_pandas.errors import OptionError
from asr_pandas.files.plain import in_utf8
from asr_pandas.files.render import TextForm, render

if TYPE_CHECKING:
    from collections.abc import Hashable

    import pandas as pd

Form = Literal["parquet", TextForm]

# Not made from the target's name, which may be as long as a name can be.
_TEMPORARY: Final = ".asr-pandas-"


def form_of(path: Path) -> Form:
    """Tell the form from a file's ending.

    Raises
    ------
    OptionError
        The ending tells no form.

    Examples
    --------
    >>> form_of(Path("notes.md"))
    'md'
    """
    ending = path.suffix.lower().removeprefix(".")
    for form in get_args(Form):
        if ending == form:
            return form  # type: ignore[no-any-return]
    endings = ", ".join(f".{form}" for form in get_args(Form))
    message = f"{str(path)!r}: the ending tells the form, one of {endings}"
    raise OptionError(message)


def check_target(path: Path) -> None:
    """Prove that `write` can write there, before anything is transcribed and paid.

    A short-named file is made in the folder and removed again.

    Raises
    ------
    OptionError
        The ending tells no form, or no file of that name can be made.
    """
    form_of(path)
    try:
        obstacle = _obstacle(path.resolve())
    except (OSError, RuntimeError) as error:
        # A RuntimeError is a link that leads to itself.
        obstacle = getattr(error, "strerror", None) or str(error)
    if obstacle:
        message = f"{str(path)!r} cannot be written: {obstacle}. Hint: -o takes another file"
        raise OptionError(message)


def write(frame: pd.DataFrame, path: Path, *, audio: Hashable, prefix: str = "") -> None:
    """Write a frame, all or nothing: a file of that name is replaced only by a whole one.

    Links are followed, and a file that is replaced keeps its mode.

    Parameters
    ----------
    frame : pandas.DataFrame
        A frame with result columns.
    path : Path
        Ends in `.parquet`, `.csv`, `.jsonl`, `.txt` or `.md`.
    audio : label
        The column that names the clips.
    prefix : str
        What stands before the result columns' names.
    """
    form = form_of(path)
    target = path.resolve()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=_TEMPORARY)
    os.close(handle)
    temporary = Path(name)
    try:
        if form == "parquet":
            in_utf8(frame).to_parquet(temporary)
        else:
            temporary.write_bytes(render(frame, form, audio=audio, prefix=prefix).encode())
        mode = _mode(target)
        temporary.chmod(0o666 & ~_umask() if mode is None else stat.S_IMODE(mode))
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def keep(frame: pd.DataFrame, form: Form, *, audio: Hashable, prefix: str = "") -> Path | None:
    """Write what could not be written where it was wanted into the system's temporary folder.

    Returns
    -------
    Path or None
        A file of that form; a CSV where the form is what failed; None where there is no room.
    """
    forms: tuple[Form, Form] = (form, "csv")
    for possible in forms:
        with contextlib.suppress(Exception):  # the next form, or None, is the answer
            kept = Path(tempfile.mkdtemp(prefix="asr-pandas-")) / f"transcripts.{possible}"
            write(frame, kept, audio=audio, prefix=prefix)
            return kept
    return None


def _obstacle(target: Path) -> str | None:
    if not target.parent.is_dir():
        return f"there is no folder {str(target.parent)!r} to write into"
    mode = _mode(target)
    if mode is not None and not stat.S_ISREG(mode):
        return "it is a folder" if stat.S_ISDIR(mode) else "it is not a regular file"
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=_TEMPORARY):
        return None


def _mode(target: Path) -> int | None:
    try:
        return target.stat().st_mode
    except FileNotFoundError:
        return None


def _umask() -> int:
    # There is no way to read it but to set it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
