"""What a person sees of a run: a bar that moves by seconds of audio, and one line at the end."""

from __future__ import annotations

import sys
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from asr_pandas.audio.cells import total_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asr_pandas.run.tally import Tally

# Headers that are read to know how much audio there is; the rest is extrapolated.
_HEADERS: Final = 2_000
_FORMAT: Final = (
    "{percentage:3.0f}%|{bar}| {n:,.0f}/{total:,.0f} s of audio, {desc} [{elapsed}<{remaining}]"
)
_FORMAT_WITHOUT_TOTAL: Final = "{desc} [{elapsed}]"


class Progress:
    """Show a tally while it grows.

    Parameters
    ----------
    tally : Tally
        What is shown.
    wanted : bool or None
        None: a bar where somebody can see it (a terminal, a notebook), and the last line anywhere.
    new_bar : callable, optional
        Makes another bar than the terminal's, from tqdm's options: a notebook's.
    """

    def __init__(
        self, tally: Tally, *, wanted: bool | None, new_bar: Callable[..., Any] | None = None
    ) -> None:
        self._tally = tally
        self._silent = wanted is False
        self._make_bar = new_bar or _terminal_bar
        # Beside the results in a notebook, where stderr is red; apart from them elsewhere. A
        # program without a console has neither.
        self._stream = sys.stdout if new_bar else sys.stderr
        self._barless = not (wanted or new_bar or (self._stream and self._stream.isatty()))
        self._bar: Any = None

    def draw(self) -> None:
        """Bring the bar up to date."""
        if self._silent or self._barless or self._tally.all_seconds is None:
            return
        try:
            self._draw()
        except Exception:  # noqa: BLE001 - a bar that cannot be drawn must not cost a run
            self._silent = True
            if self._bar is not None:
                self._bar.disable = True  # else it tries once more when it is collected

    def _draw(self) -> None:
        if self._bar is None:
            self._bar = self._new_bar()
        bar, tally = self._bar, self._tally
        bar.n = tally.seconds
        if bar.total is not None:
            # What was extrapolated may be too little; what is left of a finished run is nothing.
            bar.total = tally.seconds if tally.done == tally.rows else max(bar.total, bar.n)
        bar.set_description_str(f"{tally.done:,}/{tally.rows:,} rows", refresh=False)
        # Not `refresh()`: a terminal that breaks in the middle of it leaves tqdm's lock closed for
        # every bar of this process, also the one that faster-whisper opens.
        with bar.get_lock():
            bar.display()

    def close(self) -> None:
        """Leave the bar as it is, and say what became of the rows."""
        self.draw()
        if self._bar is not None and not self._silent:
            self._bar.close()
        self.say(self._tally.summary())

    def say(self, line: str) -> None:
        """Print a line."""
        if self._silent or self._stream is None:
            return
        with suppress(OSError, ValueError):
            print(line, file=self._stream)

    def _new_bar(self) -> Any:  # noqa: ANN401  (whatever `new_bar` makes)
        total = self._tally.all_seconds or None
        return self._make_bar(total=total, bar_format=_FORMAT if total else _FORMAT_WITHOUT_TOTAL)


def _terminal_bar(**options: Any) -> Any:  # noqa: ANN401  (tqdm's own options)
    from tqdm import tqdm

    # The delay keeps tqdm from drawing while it is made, with that lock in hand.
    return tqdm(**options, delay=1e-9)


def in_words(seconds: float) -> str:
    """Say how long, in the unit that fits.

    Examples
    --------
    >>> in_words(49.3), in_words(720), in_words(90 * 60)
    ('49 s', '12 min', '1.5 h')
    """
    if seconds < 2 * 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 60 * 60 else f"{seconds / 3600:,.1f} h"


def expect(cells: Sequence[object]) -> float:
    """Estimate the seconds of audio in all cells from at most 2,000 headers."""
    step = max(1, -(-len(cells) // _HEADERS))
    part = list(islice(cells, 0, None, step))
    return total_duration(part) * len(cells) / max(1, len(part))
