"""Wait how long, or give up? A failure and the attempts so far in, seconds out. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from asr_pandas.model import Failure, Throttle


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a row waits after one kind of failure: at least, and a random part of a bound."""

    least: float = 0.0
    """Seconds."""
    first_bound: float = 0.0
    """Seconds; it doubles with each attempt."""
    longest_bound: float = 0.0
    """Seconds."""


_ATTEMPTS: Final = 5  # that a limit has not refused
_BROKEN: Final = Patience(first_bound=1.0, longest_bound=30.0)
_THROTTLED: Final[dict[Throttle, Patience]] = {
    # The pacer spaces them; a row that slept beside it would only come last.
    "rate": Patience(),
    "burst": Patience(least=1.0, first_bound=2.0, longest_bound=8.0),
    # Clears in a minute (vendor's docs).
    "quota": Patience(least=60.0, first_bound=15.0, longest_bound=15.0),
    "capacity": Patience(least=1.0, first_bound=2.0, longest_bound=75.0),
}


def wait_before_next(
    failure: Failure, *, attempts: int, chance: float, throttled: int = 0
) -> float | None:
    """Decide how long to wait before a row is asked again.

    Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/. What the
    service asks for (`Retry-After`) is a lower bound, to which the rest is added. No row fails
    because a limit lasts: how long that is borne is the run's patience, not one row's.

    Parameters
    ----------
    failure : Failure
        What the last attempt brought.
    attempts : int
        How often the row has been sent, 1 or more.
    chance : float
        A random number in [0, 1).
    throttled : int
        How many of the attempts a limit refused (`failure.throttle`), with the last one.

    Returns
    -------
    float or None
        Seconds to wait; None to give the row up.

    Examples
    --------
    >>> from asr_pandas.model import Failure
    >>> lost = Failure(kind="network", message="lost", retry="again")
    >>> wait_before_next(lost, attempts=3, chance=0.5)
    2.0
    """
    if failure.retry != "again":
        return None
    if failure.throttle is not None:
        wait = _wait(_THROTTLED[failure.throttle], max(1, throttled), chance)
    elif attempts - throttled >= _ATTEMPTS:
        return None
    else:
        wait = _wait(_BROKEN, attempts - throttled, chance)
    return (failure.retry_after or 0.0) + wait


def _wait(patience: Patience, times: int, chance: float) -> float:
    # Beyond, the bound is reached, and the power would be too large for a float.
    doublings = min(times - 1, 10)
    bound = min(patience.longest_bound, patience.first_bound * 2.0**doublings)
    return patience.least + chance * bound
