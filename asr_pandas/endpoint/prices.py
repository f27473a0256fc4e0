"""What a second of audio costs, and what a reply did: host and usage in, price and cost out. Pure.

Source of every price: Alibaba Cloud Model Studio, model pricing (vendor's docs), November 2026.
Input is billed by the second, output is free. The Qwen3-ASR-Flash models of a host cost the same;
other models there do not.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from asr_pandas.model import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The price of one second of audio; output is free on every service listed here."""

    per_second: float
    currency: str


class Cost(NamedTuple):
    """What one transcription costs, whoever paid for it."""

    amount: float | None
    """In the currency of the price; None where the price or the seconds are not known."""
    seconds: float | None
    """Billed seconds of audio."""
    estimated: bool
    """Whether the seconds are ours: the reply did not say what it bills."""


_SINGAPORE: Final = Price(per_second=0.000035, currency="USD")
_BEIJING: Final = Price(per_second=0.00022, currency="CNY")
_VIRGINIA: Final = Price(per_second=0.000035, currency="USD")

_HOSTS: Final[dict[str, Price]] = {
    "dashscope-intl.aliyuncs.com": _SINGAPORE,
    "dashscope.aliyuncs.com": _BEIJING,
    "dashscope-us.aliyuncs.com": _VIRGINIA,
}
# A workspace's own address names its region: `{workspace}.{region}.maas.aliyuncs.com`.
_WORKSPACE: Final = re.compile(r"[\w-]+\.([\w-]+)\.maas\.aliyuncs\.com")
_REGIONS: Final[dict[str, Price]] = {
    "ap-southeast-1": _SINGAPORE,
    "cn-beijing": _BEIJING,
    "us-east-1": _VIRGINIA,
}
# The alias, its dated snapshots, the US names and Filetrans; `-realtime` is another product.
_MODELS: Final = re.compile(r"qwen3-asr-flash(-filetrans)?(-\d{4}-\d\d-\d\d)?(-us)?")

_AUDIO_TOKENS_PER_SECOND: Final = 25  # vendor's docs


def price_of(host: str, model: str | None = None) -> Price | None:
    """Look a host's price up; None where it is not known.

    Parameters
    ----------
    host : str
        The host's name.
    model : str, optional
        The model that is asked; left out, the one that we ask by default.

    Examples
    --------
    >>> price_of("dashscope-intl.aliyuncs.com")
    Price(per_second=3.5e-05, currency='USD')
    >>> price_of("ws-1.cn-beijing.maas.aliyuncs.com").currency
    'CNY'
    """
    if model is not None and not _MODELS.fullmatch(model):
        return None
    workspace = _WORKSPACE.fullmatch(host)
    return _REGIONS.get(workspace[1]) if workspace else _HOSTS.get(host)


def cost_of(usage: Usage, *, duration: float | None, price: float | None) -> Cost:
    """Tell what a transcription costs.

    Parameters
    ----------
    usage : Usage
        What the reply says it counted.
    duration : float, optional
        Seconds, measured from the audio.
    price : float, optional
        Of one second; None where it is not known.

    Returns
    -------
    Cost
        From the reply's seconds, else from its audio tokens, else from the duration, the latter
        two rounded up.

    Examples
    --------
    >>> from asr_pandas.model import Usage
    >>> cost_of(Usage(audio_tokens=51), duration=2.04, price=0.000035)
    Cost(amount=0.000105, seconds=3.0, estimated=True)
    """
    estimated = usage.seconds is None
    seconds = _estimate(usage, duration) if estimated else usage.seconds
    if seconds is None or price is None:
        return Cost(None, seconds, estimated)
    # In decimals, as the bill has it: 3 * 0.000035 is 0.00010500000000000001 in floats.
    return Cost(float(Decimal(repr(price)) * Decimal(repr(seconds))), seconds, estimated)


def _estimate(usage: Usage, duration: float | None) -> float | None:
    if usage.audio_tokens is not None:
        return float(math.ceil(usage.audio_tokens / _AUDIO_TOKENS_PER_SECOND))
    return None if duration is None else float(math.ceil(duration))
