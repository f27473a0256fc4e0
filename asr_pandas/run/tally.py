"""How far a run has come: counted by the engine, read by whoever shows it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from asr_pandas.model import Status

if TYPE_CHECKING:
    from asr_pandas.model import Outcome


@dataclass(slots=True, kw_only=True)
class Tally:
    """Rows and seconds of audio, done and in all."""

    rows: int
    done: int = 0
    seconds: float = 0.0
    """Seconds of audio in the rows that are done, as far as they are known."""
    all_seconds: float | None = None
    """Seconds of audio in all rows; None until the headers have been read."""
    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """Count one row."""
        self.done += 1
        self.seconds += outcome.duration or 0.0
        self.statuses[outcome.status] += 1
        if outcome.failure is not None:
            self.errors[outcome.failure.kind] += 1

    def summary(self) -> str:
        """Say in one line what became of the rows; the same everywhere, without times.

        Examples
        --------
        >>> from asr_pandas.model import MISSING
        >>> tally = Tally(rows=2)
        >>> tally.add(MISSING)
        >>> tally.summary()
        '2 rows: 1 missing, 1 pending'
        """
        counts = self.statuses + Counter(pending=self.rows - self.done)
        # In the order of the words, not of arrival, which differs from run to run.
        parts = [f"{counts[status]:,} {status}" for status in get_args(Status) if counts[status]]
        if self.errors:
            kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.errors.items()))
            parts.append(f"errors: {kinds}")
        noun = "row" if self.rows == 1 else "rows"
        return f"{self.rows:,} {noun}: {', '.join(parts) or 'nothing to do'}"
