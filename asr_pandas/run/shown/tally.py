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
    """Rows and seconds of audio, done and in all, and what became of them."""

    rows: int
    done: int = 0
    seconds: float = 0.0
    """Seconds of audio in the rows that are done, as far as they are known."""
    all_seconds: float | None = None
    """Seconds of audio in all rows; None until the headers have been read."""
    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    """Requests that left, repeated ones too."""
    asked_rows: int = 0
    """Rows that requests of this run brought to an end."""
    asked_seconds: float = 0.0
    """Seconds of audio in them."""
    paid: float | None = None
    """What this run newly pays for, in `currency`; None where nothing has a known price."""
    currency: str | None = None
    saved_rows: int = 0
    """Rows that the journal, or an equal row, had the answer for."""
    saved_seconds: float = 0.0
    """Seconds of audio in them."""
    saved_cost: float | None = None
    """What they would have cost, in `currency`; None where no price is known."""
    notice: str = ""
    """One short sentence while the run waits: why, and how long."""
    rate: float | None = None
    """Requests per minute that the run is paced at now; None where it is not paced."""
    limit: float | None = None
    """Requests per minute that are allowed; None where that is not known."""

    def add(self, outcome: Outcome) -> None:
        """Count one row."""
        self.done += 1
        self.seconds += outcome.duration or 0.0
        self.statuses[outcome.status] += 1
        if outcome.failure is not None:
            self.errors[outcome.failure.kind] += 1
        if outcome.reused:
            self._save(outcome)
        else:
            self._pay(outcome)

    def _save(self, outcome: Outcome) -> None:
        self.saved_rows += 1
        self.saved_seconds += outcome.duration or 0.0
        if outcome.cost is not None:
            self.saved_cost = (self.saved_cost or 0.0) + outcome.cost

    def _pay(self, outcome: Outcome) -> None:
        if outcome.attempts:
            self.asked_rows += 1
            self.asked_seconds += outcome.duration or 0.0
        if outcome.cost is not None:
            self.paid = (self.paid or 0.0) + outcome.cost

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
