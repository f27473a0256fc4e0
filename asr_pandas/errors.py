"""Everything that can go wrong: what is raised, and what becomes a row's `error`.

::

    Exception
    └── AsrError
        ├── OptionError(ValueError)          an option's value, before anything is sent
        ├── ColumnError(ValueError)          a column that is missing, clashes or holds no audio
        ├── AudioError(ValueError)           one cell; in a run it becomes that row's failure
        ├── RecogniserMissing(ImportError)   no key, and no embedded recogniser
        ├── WeightsError(RuntimeError)       the recogniser's weights are not what they should be
        ├── SamplesMissing(FileNotFoundError)
        ├── JournalError(OSError)            outcomes cannot be recorded, or looked up
        ├── RowFailed(RuntimeError)          `errors="raise"`: the first row that failed
        └── RunStopped(RuntimeError)         a cause that no other row would survive
    UserWarning
    └── AsrWarning                           the result is there; this should be known about it
    KeyboardInterrupt
    └── Interrupted                          the stop button; what is finished comes with it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

ErrorKind = Literal[
    "rate_limit",
    "auth",
    "billing",
    "model",
    "too_long",
    "too_large",
    "format",
    "download",
    "content",
    "network",
    "timeout",
    "server",
    "bad_reply",
    "unreadable",
    "wrong_endpoint",
]
"""The words of the `error` column; `out["error"].value_counts()` tells the story."""


class AsrError(Exception):
    """The family of all errors that asr-pandas raises on purpose."""


class OptionError(AsrError, ValueError):
    """An option has a value that cannot be used; nothing was sent."""


class ColumnError(AsrError, ValueError):
    """A column is not there, would be overwritten, or cannot hold audio; nothing was sent."""


class AudioError(AsrError, ValueError):
    """A cell that cannot be sent.

    Attributes
    ----------
    kind : ErrorKind
        The word for the row's `error` column.
    """

    def __init__(self, message: str, *, kind: ErrorKind = "unreadable") -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind


class RecogniserMissing(AsrError, ImportError):
    """The embedded recogniser is needed, and not installed; or there is no API key."""


class WeightsError(AsrError, RuntimeError):
    """The embedded recogniser's weights are missing or not the ones that were pinned."""


class SamplesMissing(AsrError, FileNotFoundError):
    """The recorded prompts are not on this machine and cannot be fetched."""


class JournalError(AsrError, OSError):
    """Outcomes cannot be recorded or looked up: the place, the disk or the file is unfit.

    Attributes
    ----------
    partial : pandas.DataFrame or None
        The frame with every finished row, where a run was under way.
    """

    partial: pd.DataFrame | None = None


class AsrWarning(UserWarning):
    """The result is there, and this should be known about it."""


class RowFailed(AsrError, RuntimeError):
    """With `errors="raise"`: the first row that failed.

    Attributes
    ----------
    kind : ErrorKind
        The word for what happened.
    partial : pandas.DataFrame
        The frame with every finished row.
    """

    def __init__(self, message: str, *, kind: ErrorKind, partial: pd.DataFrame) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.partial = partial


class RunStopped(AsrError, RuntimeError):
    """A cause that every further row would share: the key, the account, the model.

    Attributes
    ----------
    kind : ErrorKind
        The word for what happened.
    partial : pandas.DataFrame
        The frame with every finished row; rows that were not sent are `pending`.
    """

    def __init__(self, message: str, *, kind: ErrorKind, partial: pd.DataFrame) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.partial = partial


class Interrupted(KeyboardInterrupt):
    """The run was interrupted; a `KeyboardInterrupt`, so that Run All stops here.

    Attributes
    ----------
    partial : pandas.DataFrame
        The frame with every finished row; the others are `cancelled` or `pending`.
    """

    def __init__(self, message: str, *, partial: pd.DataFrame) -> None:
        super().__init__(message)
        self.partial = partial

    def _render_traceback_(self) -> list[str]:
        """Show one line in a notebook, where IPython asks for it."""
        return [f"{type(self).__name__}: {self}"]
