"""A frame with transcripts → a file, whose form is told by its ending."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from asr_pandas.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import pandas as pd

Form = Literal["parquet", "csv", "jsonl", "txt", "md"]


def form_of(path: Path) -> Form:
    """Tell the form from a file's ending, and that the file can be written there.

    Raises
    ------
    OptionError
        The ending tells no form, or there is no such folder: said before anything is transcribed.

    Examples
    --------
    >>> form_of(Path("notes.md"))
    'md'
    """
    ending = path.suffix.lower().removeprefix(".")
    for form in get_args(Form):
        if ending == form:
            if not path.parent.is_dir():
                message = f"there is no folder {str(path.parent)!r} to write into"
                raise OptionError(message)
            return form  # type: ignore[no-any-return]
    endings = ", ".join(f".{form}" for form in get_args(Form))
    message = f"{str(path)!r}: the ending tells the form, one of {endings}"
    raise OptionError(message)


def write(frame: pd.DataFrame, path: Path, *, audio: Hashable, prefix: str = "") -> None:
    """Write a frame, all or nothing: a file of that name is replaced only by a whole one.

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
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        if form == "parquet":
            frame.to_parquet(temporary)
        else:
            text = render(frame, form, audio=audio, prefix=prefix)
            temporary.write_bytes(text.encode("utf-8", errors="replace"))
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def render(frame: pd.DataFrame, form: Form, *, audio: Hashable, prefix: str = "") -> str:
    """Write a frame as text.

    Returns
    -------
    str
        `csv` and `jsonl`: all columns. `txt`: one line for each row, its transcript. `md`: a
        section for each row.
    """
    writers: dict[str, Callable[[], str]] = {
        "csv": lambda: frame.to_csv(index=False, lineterminator="\n"),
        "jsonl": lambda: frame.to_json(orient="records", lines=True, force_ascii=False),
        "txt": lambda: _txt(frame, prefix),
        "md": lambda: _md(frame, audio, prefix),
    }
    return writers[form]()


def one_line(value: Any) -> str:  # noqa: ANN401  (a cell of a frame)
    """Fold white space, so that one row stays one line; missing is empty."""
    return " ".join(value.split()) if isinstance(value, str) else ""


def for_terminal(text: str) -> str:
    r"""Keep what others wrote from steering the terminal.

    Examples
    --------
    >>> for_terminal("\x1b[2Jgone?")
    '�[2Jgone?'
    """
    return "".join(char if char.isprintable() or char in "\n\t" else "�" for char in text)


def _txt(frame: pd.DataFrame, prefix: str) -> str:
    return "".join(f"{one_line(text)}\n" for text in frame[f"{prefix}transcript"])


def _md(frame: pd.DataFrame, audio: Hashable, prefix: str) -> str:
    wanted = ("transcript", "language", "duration", "status", "message")
    columns = {name: frame[prefix + name] for name in wanted}
    rows = zip(frame[audio], *columns.values(), strict=True)
    sections = [_section(cell, dict(zip(columns, said, strict=True))) for cell, *said in rows]
    return "# Transcripts\n" + "".join(sections)


def _section(cell: object, row: dict[str, Any]) -> str:
    name = cell if isinstance(cell, str) else f"a {type(cell).__name__}"
    # A missing number is NA, None or NaN, depending on where the frame has been.
    duration = row["duration"]
    seconds = f"{duration:.1f} s" if isinstance(duration, float) and duration >= 0 else ""
    status = "" if row["status"] == "ok" else row["status"]
    facts = ", ".join(filter(None, (one_line(row["language"]), seconds, status)))
    said = one_line(row["transcript"]) or one_line(row["message"])
    return f"\n## {_escaped(one_line(name))}\n\n{_escaped(said)}\n\n*{_escaped(facts)}*\n"


_MARKUP: Final = re.compile(r"[\\`*_\[\]<>|&#~]|^[-+=]|(?<=^\d)[.)](?= )")


def _escaped(text: str) -> str:
    """Let nothing in a text act as Markdown or HTML."""
    return _MARKUP.sub(r"\\\g<0>", text)


def _umask() -> int:
    # There is no way to read it but to set it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
