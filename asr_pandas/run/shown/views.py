"""Where a run's line is shown: a terminal's bar, or a log's lines."""

from __future__ import annotations

import os
import sys
from typing import Any, Final, Protocol

_BAR: Final = "{percentage:3.0f}%|{bar}| {desc}"
_AROUND: Final = 14  # columns that the percentage and a short bar take


class View(Protocol):
    """What shows one line that changes, and how much of the run is done."""

    @property
    def width(self) -> int | None:
        """Characters that there is room for; None for any number."""

    @property
    def quiet(self) -> float:
        """Seconds of the run in which nothing is shown."""

    def pause(self, elapsed: float) -> float:
        """Return the seconds from one picture to the next, after so many seconds of the run."""

    def show(self, line: str, share: float) -> None:
        """Show this instead of what was shown before."""

    def clear(self) -> None:
        """Make room for another line."""

    def end(self, line: str, share: float) -> None:
        """Show this, and leave it."""


class TerminalBar:
    """tqdm's bar on stderr."""

    quiet = 0.0

    def __init__(self) -> None:
        from tqdm import tqdm

        # The delay keeps tqdm from drawing while it is made, with its lock in hand. Rows are set,
        # because it draws nothing where a terminal says that it has none.
        self._bar: Any = tqdm(total=1.0, bar_format=_BAR, nrows=20, delay=1e-9)

    @property
    def width(self) -> int | None:
        """Columns beside the bar; None where the terminal does not tell."""
        columns = _columns()
        return columns - _AROUND if columns else None

    def pause(self, elapsed: float) -> float:  # noqa: ARG002  (a terminal forgets)
        """Return the seconds from one picture to the next."""
        return 0.1

    def show(self, line: str, share: float) -> None:
        """Draw."""
        self._bar.n, self._bar.ncols = share, _columns()
        self._bar.set_description_str(line, refresh=False)
        try:
            # Not `refresh()`: a terminal that breaks in the middle of it leaves tqdm's lock closed
            # for every bar of this process, also the one that faster-whisper opens.
            with self._bar.get_lock():
                self._bar.display()
        except Exception:
            self._bar.disable = True  # else it tries once more when it is collected
            raise

    def clear(self) -> None:
        """Make room for another line."""
        with self._bar.get_lock():
            self._bar.clear(nolock=True)

    def end(self, line: str, share: float) -> None:
        """Draw, and go to the next line."""
        self.show(line, share)
        self._bar.close()


def _columns() -> int | None:
    """Return how much of a line can be written without going to the next; None where unknown."""
    try:
        return max(0, os.get_terminal_size(sys.stderr.fileno()).columns - 1) or None
    except (AttributeError, OSError, ValueError):  # a program without a console has no stderr
        return None


class Log:
    """A line on stderr now and then, where nobody watches."""

    width = None
    quiet = 60.0

    def pause(self, elapsed: float) -> float:
        """Return a minute at first and ten in the end: some 35 lines for two hours."""
        return min(max(60.0, elapsed / 10), 600.0)

    def show(self, line: str, share: float) -> None:
        """Print a line."""
        print(f"asr-pandas: {share:.0%} · {line}", file=sys.stderr, flush=True)  # noqa: T201  (a log)

    def clear(self) -> None:
        """Do nothing: a log only grows."""

    def end(self, line: str, share: float) -> None:
        """Say nothing: what became of the rows is said everywhere."""
