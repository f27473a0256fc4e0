"""A survey's lines in, their sums out. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from asr_pandas.audio.fit import LONGEST, encoded_size
from asr_pandas.plan.headers import CONVERTED
from asr_pandas.plan.survey import cost

if TYPE_CHECKING:
    import pandas as pd

OVER: Final = ("too_long", "too_large")
_OF_UNREADABLE: Final = ("unreadable", "download", "format", "content")
_OPEN: Final = ("not yet read", "not asked")
_ADDRESSES: Final = ("http", "store")
_DECIMALS: Final = 9  # of an amount of money; prices have 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What the lines add up to."""

    rows: int
    statuses: dict[str, int]
    """How many rows have which status."""
    clips: int
    """Distinct ones, as far as is known."""
    seconds: float
    """Of all audio whose length is known."""
    containers: dict[str, float]
    """Seconds in each, most first."""
    languages: dict[str, int]
    """How many rows have which hint, most first; those without one are not counted."""
    addresses: dict[str, int]
    """How many addresses are identified by what."""
    silent: int
    undecodable: int
    converted: int
    """Clips in a container that the service does not list."""
    requests: int
    unread: int
    """Requests for files that were not read: some may be recorded, or equal to others."""
    unasked: int
    """Requests for addresses of which nobody was asked."""
    unmeasured: int
    """Requests for audio whose length is not known."""
    estimated: int
    """Requests for audio whose header only hints at its length."""
    sent_seconds: float
    """Of audio in the requests, as far as is known."""
    sent_size: int
    """Bytes that leave this machine in the requests, after Base64."""
    cost: float | None
    """Of the requests; what has no known length counts as the longest that the service takes."""

    @classmethod
    def of(cls, lines: pd.DataFrame, *, price: float | None) -> Self:
        """Add up what a survey found.

        Parameters
        ----------
        lines : pandas.DataFrame
            As `Survey.frame` returns it.
        price : float, optional
            Of one second.
        """
        sent = lines[lines["status"].eq("send").to_numpy()]
        by = sent["identified_by"]
        unmeasured = int(sent["duration"].isna().sum())
        at_addresses = lines["source"].isin(_ADDRESSES).to_numpy(bool)
        return cls(
            rows=len(lines),
            statuses=_counts(lines["status"]),
            clips=int(lines["clip"].nunique()),
            seconds=_total(lines["duration"]),
            containers=_seconds_by(lines, "container"),
            languages=_counts(lines["language"]),
            addresses=_counts(lines["identified_by"][at_addresses]),
            silent=_count(lines["sound"], "silent"),
            undecodable=_count(lines["sound"], "undecodable"),
            converted=int(sent["message"].eq(CONVERTED).sum()),
            requests=len(sent),
            unread=_count(by, _OPEN[0]),
            unasked=_count(by, _OPEN[1]),
            unmeasured=unmeasured,
            estimated=int(sent["exact"].eq(False).sum()),  # noqa: FBT003 - the compared value
            sent_seconds=_total(sent["duration"]),
            sent_size=sum(encoded_size(size, "") for size in sent["size"].dropna()),
            cost=_cost(sent["cost"], unmeasured, price),
        )

    def count(self, *statuses: str) -> int:
        """Count the rows that have one of these statuses."""
        return sum(self.statuses.get(status, 0) for status in statuses)

    @property
    def unreadable(self) -> int:
        """How many rows hold no audio that can be read."""
        return self.count(*_OF_UNREADABLE)

    @property
    def is_open(self) -> bool:
        """Whether a deep plan may find that less is to be asked."""
        return self.unread + self.unasked > 0


def _cost(costs: pd.Series[Any], unmeasured: int, price: float | None) -> float | None:
    if price is None:
        return None
    longest = cost(LONGEST, price) or 0.0
    return round(_total(costs) + unmeasured * longest, _DECIMALS)


def _total(numbers: pd.Series[Any]) -> float:
    return float(numbers.dropna().sum())


def _count(words: pd.Series[Any], word: str) -> int:
    return int(words.eq(word).fillna(value=False).sum())


def _counts(words: pd.Series[Any]) -> dict[str, int]:
    # The frequent ones first, and then by name: the same each time.
    counted = words.value_counts().items()
    pairs = [(str(word), int(count)) for word, count in counted]
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def _seconds_by(lines: pd.DataFrame, name: str) -> dict[str, float]:
    summed = lines["duration"].fillna(0).groupby(lines[name]).sum().items()
    pairs = [(str(word), float(seconds)) for word, seconds in summed]
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))
