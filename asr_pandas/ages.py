"""Lengths of time as people write them: `"30d"` in, seconds out. Pure."""

from __future__ import annotations

import math
import re
from numbers import Real
from typing import Final

from asr_pandas.errors import OptionError

_SECONDS_IN: Final[dict[str, float]] = {
    "s": 1.0,
    "min": 60.0,
    "h": 3_600.0,
    "d": 86_400.0,
    "w": 604_800.0,
}
_WRITTEN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d|w)?", re.ASCII)


def seconds_of(age: float | str) -> float:
    """Read a length of time.

    Parameters
    ----------
    age : float or str
        A number and its unit: `s`, `min`, `h`, `d` or `w`. A plain number counts seconds.

    Returns
    -------
    float
        Seconds, 0 or more.

    Raises
    ------
    OptionError
        Anything else. A month, say, has no fixed length, and `m` could mean one.

    Examples
    --------
    >>> [seconds_of(age) for age in ("90s", "15min", "1.5h", 90)]
    [90.0, 900.0, 5400.0, 90.0]
    """
    seconds = _written(age) if isinstance(age, str) else _plain(age)
    if seconds is None or not (math.isfinite(seconds) and seconds >= 0):
        message = (
            f"{age!r} is no length of time.\n\n"
            "Hint: '90s', '15min', '12h', '30d' and '8w' are read; a plain number counts seconds."
        )
        raise OptionError(message)
    return seconds


def _written(age: str) -> float | None:
    found = _WRITTEN.fullmatch(age.strip().lower())
    return float(found[1]) * _SECONDS_IN[found[2] or "s"] if found else None


def _plain(age: object) -> float | None:
    # True would count as one second.
    if not isinstance(age, Real) or isinstance(age, bool):
        return None
    try:
        return float(age)
    except OverflowError:
        return None
