"""How fast does this account's limit let us go? Refusals in, a pace out. Pure.

Between two refusals a limit was used up at both ends, so that what was accepted in between, by the
time that passed, is the limit: however large its burst. Where the burst is too small for that to
hold (what is not used at once is lost), the pace at the refusal tells it. The pace then climbs
slowly, counted in requests and not in seconds, so that every limit costs the same share of
refusals.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

# Of the pace before the first refusal, which was above the limit, or only its burst.
_FIRST_GUESS: Final = 0.4
_STEP_BACK: Final = 0.985
_CAUTION: Final = 0.92
# While the limit is searched, each refusal without anything accepted in between divides the pace.
_DIVISOR: Final = 3.0
# Accepted between two refusals: an estimate that outlasts a closed window; one that tells little.
_ENOUGH, _FEW = 20, 4
_AGREEMENT: Final = 0.1
_LONGEST_PROBE: Final = 60.0  # seconds; limits are told per minute
# Closed for longer than that, and it is a window of time rather than a bucket; if not, the mistake
# costs a handful of refusals.
_LONG_PROBE: Final = 2.0  # seconds
# Requests after which the pace has doubled: while it is searched, found, and confirmed for long.
_SEARCH, _QUICK, _SLOW, _SLOWEST = 6.0, 20.0, 250.0, 2_000.0
# An answer takes up to a quarter of a second: so many requests must leave before the next step.
_ON_THEIR_WAY: Final = 0.25  # seconds
_TRUST: Final = 50.0  # requests after which the pace may pass what was refused at first
# What a pause costs is earned back by climbing so much more slowly.
_PAUSE_COSTS: Final = 20.0
_STEEPEST: Final = 20.0  # doublings; only keeps the figures finite


class Slot(NamedTuple):
    """A place in the line of all requests of an account."""

    number: int
    """From 1; 0 for a request that left while no limit was known."""
    at: float
    """When it left, in seconds of wall-clock time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What the refusals told so far."""

    rate: float
    """Requests per second when the last news came; the pace climbs from there."""
    since: int
    """Slots granted when the last news came. A refusal of one of these is old news."""
    mark: Slot
    """The refusal up to which everything is measured."""
    top: float
    """The pace at the first refusal, requests per second."""
    learned_at: float
    """Seconds of wall-clock time."""
    lost: int = 0
    """Slots after `mark` that brought nothing: refused too, or never used."""
    climb: float = _SEARCH
    """Requests until the pace has doubled."""
    measured: float = 0.0
    """What went through per second between the last two marks."""
    sure: bool = False
    """Whether the rate rests on enough requests; it is searched until then."""
    in_a_row: int = 1
    """Refusals without anything accepted in between."""

    def pace(self, granted: int) -> float:
        """Tell how many requests per second may leave when so many slots are granted."""
        asked = granted - self.since
        if self.sure:
            way = asked / self.climb
            return self.rate * (1.0 + way * way if way < 1.0 else _doubled(way))
        way = asked / max(self.climb, self.rate * _ON_THEIR_WAY)
        beyond = max(0.0, asked / _TRUST - 1.0)
        highest = max(self.top, self.rate) * _doubled(beyond)
        return min(self.rate * _doubled(way), highest)

    @property
    def probe(self) -> float:
        """Seconds from a refusal to the next request."""
        doublings = self.in_a_row - 1 if self.sure else 0
        return min(_LONGEST_PROBE, _doubled(doublings) / self.rate)


def _doubled(times: float) -> float:
    return float(2.0 ** min(times, _STEEPEST))


def begin(slot: Slot, *, pace: float, known: bool, granted: int, now: float) -> Learned:
    """Learn from the first refusal; a limit that is known is not searched from below."""
    return Learned(
        rate=pace * (_STEP_BACK if known else _FIRST_GUESS),
        since=granted,
        mark=slot,
        top=pace,
        learned_at=now,
        climb=_SLOW if known else _SEARCH,
        sure=known,
    )


def refuse(before: Learned, slot: Slot, *, granted: int, now: float, wait: float = 0.0) -> Learned:
    """Learn from a further refusal.

    Parameters
    ----------
    before : Learned
        What is known.
    slot : Slot
        The one that was refused.
    granted : int
        Slots granted by now, whether they have left or not.
    now : float
        Seconds of wall-clock time.
    wait : float
        Seconds for which the service closes.
    """
    if slot.number <= before.since:
        return replace(before, lost=before.lost + (slot.number > before.mark.number))
    news = replace(before, since=granted, learned_at=now)
    accepted = slot.number - before.mark.number - 1 - before.lost
    # In a closed window, one slot that is counted wrongly must not look like an answer.
    if accepted <= (before.in_a_row > 1):
        return replace(
            news, rate=_closed(before), lost=before.lost + 1, in_a_row=before.in_a_row + 1
        )
    measured = accepted / max(1e-3, slot.at - before.mark.at)
    steady = before.pace(slot.number) < 2.0 * before.rate
    agrees = steady and abs(measured - before.measured) < _AGREEMENT * before.measured
    climb = _climb(before, accepted, agrees=agrees, steady=steady)
    return replace(
        news,
        mark=slot,
        lost=0,
        rate=_rate(before, slot, accepted, measured=measured, agrees=agrees),
        measured=measured if steady else max(measured, before.rate),
        climb=max(climb, _PAUSE_COSTS * before.rate * wait if before.sure else 0.0),
        sure=before.sure or agrees or accepted >= _ENOUGH,
        in_a_row=1,
    )


def accept(before: Learned, slot: Slot, *, granted: int, average: float, accepted: int) -> Learned:
    """Learn from a probe that was accepted after a long closure.

    A window has opened anew. What went through until now, by the time it took, is its rate.
    """
    is_probe = slot.number > before.since and before.probe >= _LONG_PROBE
    if before.sure or not is_probe or average <= before.rate:
        return before
    return replace(
        before,
        rate=average,
        measured=average,
        since=granted,
        mark=slot,
        lost=0,
        climb=max(_SLOW, 1.5 * accepted),
        sure=True,
        in_a_row=1,
    )


def _closed(before: Learned) -> float:
    """Keep a rate that is sure: the window is closed, and the probes grow apart instead."""
    rate = before.rate / _DIVISOR
    if before.sure:
        rate = min(before.rate, before.measured or before.rate)
    return max(rate, 1.0 / _LONGEST_PROBE)


def _rate(before: Learned, slot: Slot, accepted: int, *, measured: float, agrees: bool) -> float:
    pace = before.pace(slot.number)
    highest = _STEP_BACK * pace
    # Had the burst been used up all along, this share of the pace would have gone through.
    least = _CAUTION * pace * accepted / (accepted + before.lost + 1)
    after_a_window = before.in_a_row > 1
    if after_a_window and (before.sure or (accepted >= _ENOUGH and pace >= 2.0 * before.rate)):
        least = 0.0 if before.sure else before.rate
    if accepted < _FEW:
        least = max(least, pace * (0.7 if before.sure else 0.5))
    return max(least, min(highest, (measured + highest) / 2.0 if agrees else measured))


def _climb(before: Learned, accepted: int, *, agrees: bool, steady: bool) -> float:
    if not steady:
        return _SLOW if before.sure else max(_QUICK, accepted / 2.0)
    if not (agrees or before.sure or accepted >= _ENOUGH):
        return _SEARCH
    last = before.climb * 1.5 if agrees else before.climb / 1.5
    return min(_SLOWEST, max(_SLOW, last, 2.0 * accepted))
