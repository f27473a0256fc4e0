"""What all processes of a machine share about one account: its next free slot, its pauses. Pure.

Times are seconds of wall-clock time, the only one that processes share. It may jump.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from asr_pandas.run.pace import learning

if TYPE_CHECKING:
    from asr_pandas.run.pace.learning import Learned, Slot

_AHEAD: Final = 0.01  # seconds before its time that a slot may be taken
_LATE: Final = 0.1  # seconds after its time, or one gap, that a slot may still be used
# Seconds of slots that are granted at once: few where the next refusal may change the pace.
_BLOCK, _SMALL_BLOCK = 0.25, 0.01
_MOST: Final = 1_000  # slots that are granted at once, however fast
# Just under the limit: the service's clock is not ours.
_SHARE: Final = 0.995
# Slots until the full pace: "request rate increased too quickly" (vendor's docs).
_RAMP, _GENTLE_RAMP = 10, 40
_IDLE: Final = 60.0  # seconds after which the ramp begins anew
_OLD: Final = 3_600.0  # seconds after which nothing learned counts
_JUMP: Final = 1.0  # seconds; less is the order in which processes come
_MINUTE: Final = 60.0
_MARGIN: Final = 0.1  # seconds after a minute's end


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account's state."""

    free: float = 0.0
    """When the next slot is."""
    granted: int = 0
    """Slots given out, ever."""
    ramp: int = _RAMP
    """Slots until the full pace."""
    closed_at: float = 0.0
    """When the pause was called."""
    closed_until: float = 0.0
    seen: float = 0.0
    """When anybody last asked."""
    opened: float = 0.0
    """When it was first asked for after the last long silence."""
    passed: int = 0
    """Requests accepted since then."""
    learned: Learned | None = None


class Grant(NamedTuple):
    """Slots in a row, or why there are none."""

    first: int = 0
    """The number of the first slot."""
    at: float = 0.0
    """When the first is, seconds of wall-clock time."""
    gap: float = 0.0
    """Seconds from one slot to the next."""
    slots: int = 0
    wait: float = 0.0
    """Seconds until it is worth asking again. 0 without slots: no limit is known."""


def pace(account: Account, limit: float | None) -> float | None:
    """Tell how many requests per second may leave; None where no limit is known."""
    paces = [_SHARE * limit] if limit else []
    if account.learned is not None:
        paces.append(account.learned.pace(account.granted))
    return min(paces, default=None)


def take(account: Account, now: float, *, limit: float | None) -> tuple[Account, Grant]:
    """Grant the slots that are due.

    Parameters
    ----------
    account : Account
        The state so far.
    now : float
        Seconds of wall-clock time.
    limit : float or None
        Requests per second that the account is known to allow.

    Returns
    -------
    tuple of Account and Grant
    """
    account = _awake(_healed(account, now, limit), now)
    if now < account.closed_until:
        return account, Grant(wait=account.closed_until - now)
    rate = pace(account, limit)
    if rate is None:
        return account, Grant()
    gap = 1.0 / rate
    if account.free > now + min(_AHEAD, gap / 2.0):
        return account, Grant(wait=account.free - now)
    block = _BLOCK if account.learned is None else _SMALL_BLOCK
    slots = 1 if account.ramp else max(1, min(_MOST, int(block / gap)))
    gap *= 1.0 + min(1.0, account.ramp / _RAMP)
    # A late wake-up shifts nothing; a slot that nobody asked for is gone.
    start = account.free if now - account.free <= max(gap, _LATE) else now
    after = replace(
        account,
        free=start + slots * gap,
        granted=account.granted + slots,
        ramp=max(0, account.ramp - 1),
    )
    return after, Grant(account.granted + 1, start, gap, slots)


def close(account: Account, now: float, wait: float) -> Account:
    """Let nobody start for so many seconds; the longer pause counts."""
    if now + wait <= account.closed_until:
        return account
    return replace(account, closed_at=now, closed_until=now + wait)


def soften(account: Account) -> Account:
    """Begin again slowly: the rate rose too quickly."""
    return replace(account, ramp=_GENTLE_RAMP)


def refuse(  # noqa: PLR0913 - all that a refusal tells
    account: Account, slot: Slot, now: float, *, limit: float | None, speed: float, wait: float
) -> Account:
    """Learn from a refusal.

    Parameters
    ----------
    account : Account
        The state so far.
    slot : Slot
        The one that was refused.
    now : float
        Seconds of wall-clock time.
    limit : float or None
        Requests per second that the account is known to allow.
    speed : float
        Requests per second that left while no limit was known.
    wait : float
        Seconds for which the service closes.
    """
    before, granted = account.learned, account.granted
    if before is None:
        start = pace(account, limit) or speed
        after = learning.begin(slot, pace=start, known=limit is not None, granted=granted, now=now)
    else:
        after = learning.refuse(before, slot, granted=granted, now=now, wait=wait)
        if slot.number <= before.since:
            return replace(account, learned=after)
    probe = _cut_short(after.probe, now, account.opened)
    return replace(account, learned=after, free=now + probe)


def accept(account: Account, slot: Slot, now: float, *, accepted: int) -> Account:
    """Count what was accepted, and learn from it."""
    account = replace(account, passed=account.passed + accepted)
    if account.learned is None:
        return account
    after = learning.accept(
        account.learned,
        slot,
        granted=account.granted,
        average=account.passed / max(1.0, now - account.opened),
        accepted=account.passed,
    )
    if after is account.learned:
        return account
    return replace(account, learned=after, free=min(account.free, now + 1.0 / after.rate))


def drop(account: Account, slots: int) -> Account:
    """Take note of slots that nobody will use."""
    if account.learned is None:
        return account
    return replace(account, learned=replace(account.learned, lost=account.learned.lost + slots))


def _cut_short(probe: float, now: float, opened: float) -> float:
    """Ask where a minute may begin, on the clock or since the start, rather than long after."""
    minutes = (_MINUTE - (now - start) % _MINUTE + _MARGIN for start in (0.0, opened))
    return min([probe, *(left for left in minutes if left > 2.0 * _MARGIN)])


def _awake(account: Account, now: float) -> Account:
    if abs(now - account.seen) > _IDLE:
        ramp = max(account.ramp, _RAMP)
        account = replace(account, opened=now, passed=0, ramp=ramp)
    return replace(account, seen=now)


def _healed(account: Account, now: float, limit: float | None) -> Account:
    """Forget what is too old, and what a clock that jumped makes absurd."""
    if account.learned is not None and abs(now - account.learned.learned_at) > _OLD:
        account = replace(account, learned=None)
    if now < account.closed_at - _JUMP:
        length = account.closed_until - account.closed_at
        account = replace(account, closed_at=now, closed_until=now + length)
    rate = pace(account, limit)
    if rate is not None and account.free > now + _farthest(account, rate):
        account = replace(account, free=now)
    return account


def _farthest(account: Account, rate: float) -> float:
    """Seconds from now that the next slot can be, twice over."""
    probe = account.learned.probe if account.learned is not None else 0.0
    return 2.0 * max(_BLOCK, 2.0 / rate, probe)
