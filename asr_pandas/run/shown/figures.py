"""A run's counts and speed in, one line for a person out (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from asr_pandas.run.shown.tally import Tally

_NEARLY: Final = 0.99
_CENTS: Final = 0.1  # of a currency's unit; less is shown in more digits
_WHOLE: Final = 10  # requests per minute; fewer are shown with a digit more
_UNITS: Final = (("h", 3600.0), ("min", 60.0), ("s", 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing that the line says."""

    text: str
    weight: int
    """The lightest parts go first where the line is too long."""
    short: str = ""
    """What is said instead when it has to go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a run is looked at, and what was measured until then."""

    elapsed: float
    """Seconds since it began."""
    per_minute: float | None = None
    """Requests that left in the last minute."""
    left: float | None = None
    """Seconds to the end."""
    ended: bool = False
    """Whether nothing more will come."""


def line(tally: Tally, moment: Moment, *, width: int | None = None) -> str:
    """Say how far a run is; parts that say nothing are left out.

    Parameters
    ----------
    tally : Tally
        What is counted.
    moment : Moment
        What the clock tells.
    width : int, optional
        Characters that there is room for.

    Examples
    --------
    >>> from asr_pandas.run.shown.tally import Tally
    >>> tally = Tally(rows=20_000, done=1_203, seconds=11_160, all_seconds=147_600, limit=100)
    >>> line(tally, Moment(elapsed=720, per_minute=98.2, left=11_300))
    '1,203/20,000 rows · 3.1/41.0 h of audio · 98 of 100 requests/min · 3.1 h left'
    """
    return fitted([*_counts(tally), *_times(tally, moment)], width)


def share(tally: Tally) -> float:
    """Return how much of the run is done, from 0 to 1: by audio where its length is known."""
    if tally.done >= tally.rows:
        return 1.0
    if not tally.all_seconds:
        return tally.done / tally.rows
    # What was extrapolated may be too little.
    return min(tally.seconds / tally.all_seconds, _NEARLY)


def fitted(parts: Sequence[Part], width: int | None) -> str:
    """Join the parts; where they do not fit, shorten or leave out the lightest.

    Examples
    --------
    >>> parts = [Part(text="3/9 rows", weight=9), Part(text="failed: 1 timeout", weight=1)]
    >>> fitted(parts, None), fitted(parts, 20)
    ('3/9 rows · failed: 1 timeout', '3/9 rows')
    """
    texts = {part: part.text for part in parts}
    lightest = sorted(parts, key=lambda part: part.weight)[:-1]
    for part, text in [(light, text) for light in lightest for text in (light.short, "")]:
        if width is None or len(_joined(texts.values())) <= width:
            break
        texts[part] = text
    return _joined(texts.values())


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


def _joined(texts: Iterable[str]) -> str:
    return " · ".join(filter(None, texts))


def _counts(tally: Tally) -> Iterator[Part]:
    whole = tally.done >= tally.rows
    done = f"{tally.rows:,}" if whole else f"{tally.done:,}/{tally.rows:,}"
    yield Part(text=f"{done} {'row' if tally.rows == 1 else 'rows'}", weight=9)
    if tally.all_seconds:
        yield Part(text=_audio(tally.seconds, tally.all_seconds, whole=whole), weight=3)
    if tally.paid is not None:
        yield Part(text=_money(tally.paid, tally.currency), weight=5)
    if tally.saved_rows:
        saved = f"{tally.saved_rows:,} from the journal"
        worth = f"{saved}, worth {_money(tally.saved_cost, tally.currency)}"
        yield Part(text=saved if tally.saved_cost is None else worth, weight=2)
    if tally.errors:
        yield _failures(tally)


def _times(tally: Tally, moment: Moment) -> Iterator[Part]:
    if moment.ended:
        yield Part(text=f"in {in_words(moment.elapsed)}", weight=7)
        return
    if moment.per_minute is not None:
        yield Part(text=_rate(moment.per_minute, tally.limit or tally.rate), weight=4)
    left, so_far = moment.left, f"{in_words(moment.elapsed)} so far"
    yield Part(text=so_far if left is None else f"{in_words(left)} left", weight=7)
    # It may quote the service, and goes to a terminal.
    yield Part(text="".join(filter(str.isprintable, tally.notice)), weight=8)


def _audio(seconds: float, all_seconds: float, *, whole: bool) -> str:
    total = seconds if whole else max(seconds, all_seconds)
    unit, length = next((unit for unit in _UNITS if total >= 2 * unit[1]), _UNITS[-1])
    digits = 0 if unit == "s" else 1
    done = "" if whole else f"{seconds / length:,.{digits}f}/"
    return f"{done}{total / length:,.{digits}f} {unit} of audio"


def _failures(tally: Tally) -> Part:
    # The frequent ones first, since a narrow terminal cuts the line.
    kinds = sorted(tally.errors.items(), key=lambda item: (-item[1], item[0]))
    told = ", ".join(f"{count:,} {kind}" for kind, count in kinds)
    return Part(text=f"failed: {told}", weight=6, short=f"failed: {tally.errors.total():,}")


def _rate(per_minute: float, limit: float | None) -> str:
    measured = f"{per_minute:,.0f}" if per_minute >= _WHOLE else f"{per_minute:.1f}"
    return f"{measured}{f' of {limit:,.0f}' if limit else ''} requests/min"


def _money(amount: float | None, currency: str | None) -> str:
    amount = amount or 0.0
    said = f"{amount:,.2f}" if amount >= _CENTS else f"{amount:.4f}"
    return f"{said} {currency or '(currency not known)'}"
