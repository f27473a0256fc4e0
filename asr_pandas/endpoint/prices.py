"""What a second of audio costs: host and model in, price out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The price of one second of audio; output is free on every service listed here."""

    per_second: float
    currency: str


# Source: Alibaba Cloud Model Studio, model pricing (vendor's docs), read November 2026.
_PRICES: Final[dict[str, Price]] = {
    "dashscope-intl.aliyuncs.com": Price(per_second=0.000035, currency="USD"),
    "dashscope-us.aliyuncs.com": Price(per_second=0.000035, currency="USD"),
    "dashscope.aliyuncs.com": Price(per_second=0.00022, currency="CNY"),
}


def price_of(host: str) -> Price | None:
    """Look a host's price up; None where it is not known.

    Examples
    --------
    >>> price_of("dashscope-intl.aliyuncs.com")
    Price(per_second=3.5e-05, currency='USD')
    """
    return _PRICES.get(host)
