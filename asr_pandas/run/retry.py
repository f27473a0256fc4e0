"""Wait how long, or give up? A failure and the attempts so far in, seconds out. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from asr_pandas.model import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one kind of failure is borne."""

    attempts: int
    first_wait: float
    """Seconds; the bound of the random wait doubles with each attempt."""
    longest_wait: float
    """Seconds."""


# A rate limit clears within a minute (vendor's docs), so its waits must be able to outlast one.
_THROTTLED: Final = Patience(attempts=10, first_wait=2.0, longest_wait=75.0)
_BROKEN: Final = Patience(attempts=5, first_wait=1.0, longest_wait=30.0)


def wait_before_next(failure: Failure, *, attempts: int, chance: float) -> float | None:
    """Decide how long to wait before a row is asked again.

    Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/. What the
    service asks for (`Retry-After`) is a lower bound, to which the jitter is added.

    Parameters
    ----------
    failure : Failure
        What the last attempt brought.
    attempts : int
        How often the row has been sent, 1 or more.
    chance : float
        A random number in [0, 1).

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
    patience = _THROTTLED if failure.kind == "rate_limit" else _BROKEN
    if failure.retry != "again" or attempts >= patience.attempts:
        return None
    bound = min(patience.longest_wait, patience.first_wait * 2.0 ** (attempts - 1))
    return (failure.retry_after or 0.0) + chance * bound
