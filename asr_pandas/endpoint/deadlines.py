"""How long one attempt may take, and how long a reply may pause. Pure; all figures are seconds."""

from __future__ import annotations

from typing import Final

HOSTED_STALL: Final = 60.0
LOCAL_STALL: Final = 300.0

_HOSTED_LEAST: Final = 60.0  # a connection, an upload, a place in the service's queue
_HOSTED_MOST: Final = 330.0  # the service itself gives up after 300 s: vendor's docs
# A small machine works through its queue in its own time, and may load its weights first.
_LOCAL_LEAST: Final = 600.0
_LOCAL_UNKNOWN: Final = 3_600.0
_LOCAL_MOST: Final = 86_400.0


def deadline(duration: float | None, *, nearby: bool) -> float:
    """Say how long one attempt may take in all, from its start to the reply's last byte.

    Parameters
    ----------
    duration : float or None
        Seconds of audio; None where nobody knows.
    nearby : bool
        Whether this machine itself is asked.

    Returns
    -------
    float
        Seconds. A short clip's attempt is given up, and made again, much earlier than a long one's.

    Examples
    --------
    >>> deadline(5.0, nearby=False), deadline(5.0, nearby=True)
    (70.0, 900.0)
    >>> deadline(None, nearby=False)
    330.0
    """
    if duration is None:
        return _LOCAL_UNKNOWN if nearby else _HOSTED_MOST
    wanted = _LOCAL_LEAST + 60 * duration if nearby else _HOSTED_LEAST + 2 * duration
    least, most = (_LOCAL_LEAST, _LOCAL_MOST) if nearby else (_HOSTED_LEAST, _HOSTED_MOST)
    # In this order, so that a duration which is no number gives the longest.
    return max(least, min(most, wanted))


def longest_pause(*, nearby: bool) -> float:
    """Say how long a reply that has begun may send nothing.

    Examples
    --------
    >>> longest_pause(nearby=False)
    60.0
    """
    return LOCAL_STALL if nearby else HOSTED_STALL
