"""May this row still be paid for? What a run may spend, has spent and may have spent.

Amounts are exact fractions of what the floats are printed as, so that a budget of N seconds' price
lets N seconds through, and no more.
"""

from __future__ import annotations

import asyncio
import math
import re
import sys
from dataclasses import dataclass, field
from fractions import Fraction
from numbers import Real
from typing import Any, Final, Literal

from asr_pandas.errors import OptionError

_LARGEST: Final = 300.0  # seconds that the service takes in one request: vendor's docs
_SMALLEST: Final = 1  # second that it counts at least: vendor's docs
_WRITTEN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]{3})?", re.ASCII | re.IGNORECASE)

Fit = Literal["now", "later", "never"]
"""Whether an amount may be spent: now, perhaps once what is in flight has settled, or no more."""


def parse(budget: float | str, *, currency: str | None) -> float:
    """Read a budget.

    Parameters
    ----------
    budget : float or str
        A number in the endpoint's currency, or one with a currency's code: `"50 USD"`.
    currency : str, optional
        The endpoint's; None where it is not known.

    Returns
    -------
    float
        More than 0, in the endpoint's currency.

    Raises
    ------
    OptionError
        It is no amount of money, or one of another currency.

    Examples
    --------
    >>> parse("50 usd", currency="USD")
    50.0
    """
    amount, said = _read(budget)
    if not 0 < amount <= sys.float_info.max:
        message = f"budget={budget!r}: an amount above 0 is expected: 50, or '50 USD'"
        raise OptionError(message)
    if said is not None and said.upper() != currency:
        message = (
            f"budget={budget!r} is in {said.upper()}, the endpoint is paid in "
            f"{currency or 'a currency that is not known'}.\n\n"
            "Hint: a plain number is in the endpoint's currency."
        )
        raise OptionError(message)
    return float(amount)


def _read(budget: Any) -> tuple[Any, str | None]:  # noqa: ANN401  (whatever was passed)
    if isinstance(budget, str):
        written = _WRITTEN.fullmatch(budget.strip())
        return (float(written[1]), written[2]) if written else (math.nan, None)
    # True would be 1.
    is_number = isinstance(budget, Real) and not isinstance(budget, bool)
    return (budget if is_number else math.nan), None


def price_for(host: str, price: float | None) -> float:
    """Return the price of a second, which a budget cannot do without.

    Raises
    ------
    OptionError
        The host's price is not known.
    """
    if price is None:
        if host == "local":
            raise OptionError("the embedded recogniser costs nothing: leave budget= out")
        message = (
            f"budget= needs the price of a second, and that of {host} is not known.\n\n"
            "Hint: Endpoint(url, price_per_second=0.000035) says what it costs."
        )
        raise OptionError(message)
    return price


@dataclass(frozen=True, slots=True, eq=False)
class Reservation:
    """What one attempt may cost at most; it ends by being settled, kept or released, once."""

    amount: float


@dataclass(slots=True)
class Budget:
    """What one run may newly pay.

    Parameters
    ----------
    limit : float
        What it may pay at most.
    price : float
        Of one second of audio, in the same currency.
    largest : float
        Seconds that one request can be billed for at most.

    Examples
    --------
    >>> budget = Budget(limit=0.0105, price=0.000035)  # 300 s
    >>> amount = budget.amount(199.2, exact=True)
    >>> reservation = budget.reserve(amount)
    >>> budget.held, budget.fits(amount)
    (0.007, 'later')
    >>> budget.settle(reservation, 0.00693)
    >>> budget.spent, budget.fits(amount)
    (0.00693, 'never')
    """

    limit: float
    price: float
    largest: float = _LARGEST
    _limit: Fraction = field(init=False, repr=False)
    _spent: Fraction = field(init=False, repr=False, default=Fraction(0))
    _kept: Fraction = field(init=False, repr=False, default=Fraction(0))
    _held: Fraction = field(init=False, repr=False, default=Fraction(0))
    _open: set[Reservation] = field(init=False, repr=False, default_factory=set)
    _changed: asyncio.Event = field(init=False, repr=False, default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Take the limit at its word."""
        self._limit = _exact(self.limit)

    @property
    def spent(self) -> float:
        """What replies billed."""
        return float(self._spent)

    @property
    def held(self) -> float:
        """What is reserved for attempts in flight."""
        return float(self._held)

    @property
    def kept(self) -> float:
        """What may have been billed for attempts that ended without a reply."""
        return float(self._kept)

    def amount(self, duration: float | None, *, exact: bool) -> float:
        """Tell what an attempt can cost at most.

        Parameters
        ----------
        duration : float, optional
            Seconds of audio.
        exact : bool
            Whether it is counted, and not estimated: else the service's maximum is taken.
        """
        seconds = self.largest
        if exact and duration is not None:
            seconds = max(_SMALLEST, math.ceil(duration))
        return float(_exact(self.price) * _exact(seconds))

    def fits(self, amount: float) -> Fit:
        """Tell whether an amount may be spent."""
        left = self._limit - self._spent - self._kept
        if _exact(amount) <= left - self._held:
            return "now"
        # What is in flight may turn out to cost less, or nothing.
        return "later" if _exact(amount) <= left else "never"

    def reserve(self, amount: float) -> Reservation | None:
        """Set an amount aside for an attempt; None where it does not fit now."""
        if self.fits(amount) != "now":
            return None
        reservation = Reservation(amount)
        self._open.add(reservation)
        self._held += _exact(amount)
        return reservation

    async def reserved(self, amount: float) -> Reservation | None:
        """Set an amount aside once it fits; None where it never will."""
        while (fit := self.fits(amount)) == "later":
            await self._changed.wait()
        return self.reserve(amount) if fit == "now" else None

    def settle(self, reservation: Reservation, actual: float | None) -> None:
        """End an attempt that was answered.

        Parameters
        ----------
        reservation : Reservation
            What was set aside for it.
        actual : float, optional
            What it was billed; None where that cannot be told, which counts as all of it.
        """
        self._close(reservation)
        self._spent += _exact(reservation.amount if actual is None else actual)

    def keep(self, reservation: Reservation) -> None:
        """End an attempt without a reply: it may have been billed, so its amount is gone."""
        self._close(reservation)
        self._kept += _exact(reservation.amount)

    def release(self, reservation: Reservation) -> None:
        """End an attempt that was refused, or never left: nothing was billed."""
        self._close(reservation)

    def _close(self, reservation: Reservation) -> None:
        self._open.remove(reservation)
        self._held -= _exact(reservation.amount)
        # Those who wait look again; those who come later wait for the next change.
        self._changed.set()
        self._changed = asyncio.Event()


def _exact(amount: float) -> Fraction:
    # 15 digits are what a float holds of a decimal: 3 * 0.1 is meant to be 0.3.
    return Fraction(f"{amount:.15g}")
