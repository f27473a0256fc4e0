"""A frame with transcripts → text: CSV, JSON lines, plain lines or Markdown. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal

from asr_pandas.files.plain import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import pandas as pd

TextForm = Literal["csv", "jsonl", "txt", "md"]


def render(frame: pd.DataFrame, form: TextForm, *, audio: Hashable, prefix: str = "") -> str:
    """Write a frame as text.

    Parameters
    ----------
    frame : pandas.DataFrame
        A frame with result columns.
    form : {"csv", "jsonl", "txt", "md"}
        `csv` and `jsonl`: all columns, and an index that says something. `txt`: one line for each
        row, its transcript. `md`: a section for each row.
    audio : label
        The column that names the clips. Recordings in cells are shown by their path or size.
    prefix : str
        What stands before the result columns' names.

    Returns
    -------
    str
        Text that can be encoded as UTF-8.
    """
    plain = as_text(frame)
    writers: dict[str, Callable[[], str]] = {
        "csv": lambda: plain.to_csv(index=False, lineterminator="\n"),
        "jsonl": lambda: plain.to_json(
            orient="records", lines=True, force_ascii=False, date_format="iso"
        ),
        "txt": lambda: _txt(plain, prefix),
        "md": lambda: _md(plain, audio, prefix),
    }
    return writers[form]().encode(errors="replace").decode()


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
