"""What may go wrong at a service: one table, and a draw from it that a seed decides. Pure.

Texts and codes are those of the vendor's docs; the broken replies are what networks, proxies and
small servers do on their own.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asr_pandas.errors import ErrorKind

Act = Literal[
    "refuse",  # a status and a body
    "page",  # a status and HTML, as proxies answer
    "error_object",  # 200; in a stream, an event between two others
    "reset_before",  # before the body has been read
    "reset_after",  # when the work is done
    "cut",  # half of the body that the headers promise
    "truncated",  # JSON that ends early, in a reply that ends well
    "garbled",  # no JSON
    "never_ends",  # a body that goes on and says nothing
    "slow_headers",  # headers that go on and never end
]

_RETRY_DATE: Final = "{date}"  # the server puts the time of the next second there


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to fail."""

    name: str
    act: Act
    error: ErrorKind
    """What the row's `error` has to say, if this is the last answer that it gets."""
    effect: Literal["again", "no", "stop"] = "again"
    """What it means: ask again, give the row up, or stop the run."""
    status: int = 200
    code: str = ""
    message: str = ""
    header: tuple[str, str] | None = None
    billed: bool = False
    """Whether the work was done, and is paid for, although no transcript arrives."""
    weight: float = 1.0


def _throttled(name: str, code: str, message: str, header: tuple[str, str] | None = None) -> Fault:
    return Fault(
        name=name,
        act="refuse",
        error="rate_limit",
        status=429,
        code=code,
        message=message,
        header=header,
    )


def _refused(name: str, status: int, code: str, message: str, error: ErrorKind) -> Fault:
    return Fault(name=name, act="refuse", error=error, status=status, code=code, message=message)


def _permanent(name: str, error: ErrorKind, message: str, *, code: str = "") -> Fault:
    return Fault(
        name=name,
        act="refuse",
        error=error,
        effect="no",
        status=400,
        code=code or "invalid_parameter_error",
        message=f"<400> InternalError.Algo.InvalidParameter: {message}",
        weight=0.4,
    )


def _hopeless(name: str, status: int, code: str, message: str, error: ErrorKind) -> Fault:
    return Fault(
        name=name,
        act="refuse",
        error=error,
        effect="stop",
        status=status,
        code=code,
        message=message,
    )


def _broken(name: Act, error: ErrorKind, *, billed: bool, weight: float = 1.0) -> Fault:
    return Fault(name=name, act=name, error=error, billed=billed, weight=weight)


_QUOTA: Final = "You exceeded your current quota, please check your plan and billing details"
_CAPACITY: Final = "Too many requests. Your requests are being throttled due to system capacity"

THROTTLED: Final = (
    _throttled("429", "limit_requests", "You exceeded your current requests list."),
    _throttled("429_bare", "", ""),
    _throttled(
        "429_seconds", "Throttling.RateQuota", "Requests rate limit exceeded", ("Retry-After", "1")
    ),
    _throttled(
        "429_milliseconds", "LimitRequests", "Requests rate limit exceeded",
        ("Retry-After-Ms", "150"),
    ),
    _throttled(
        "429_date", "Throttling.AllocationQuota", "Allocated quota exceeded",
        ("Retry-After", _RETRY_DATE),
    ),
    _throttled("429_quota", "insufficient_quota", _QUOTA),
    _throttled("429_burst", "limit_burst_rate", "Request rate increased too quickly"),
    _throttled(
        "429_burst_seconds", "Throttling.BurstRate", "Request rate increased too quickly",
        ("Retry-After", "0.25"),
    ),
)  # fmt: skip

FAILED: Final = (
    _refused("500", 500, "InternalError.Algo", "An internal error has occurred", "server"),
    _refused("500_system", 500, "SystemError", "An system error has occured", "server"),
    _refused("500_timeout", 500, "RequestTimeOut", "Request timed out", "timeout"),
    _refused("503", 503, "ModelUnavailable", "Model is unavailable", "server"),
    _refused("503_capacity", 503, "ModelServingError", _CAPACITY, "server"),
    _refused(
        "400_retry", 400, "invalid_parameter_error", "Request failed. Please retry.", "server"
    ),
    _refused(
        "400_download", 400, "InvalidParameter.DataInspection",
        "Download the media resource timed out during the data inspection process", "download",
    ),
    Fault(name="502_page", act="page", error="server", status=502),
    Fault(
        name="200_error", act="error_object", error="server",
        code="InternalError", message="Request failed. Please retry.",
    ),
)  # fmt: skip

BROKEN: Final = (
    _broken("reset_before", "network", billed=False),
    _broken("reset_after", "network", billed=True),
    _broken("cut", "network", billed=True),
    _broken("truncated", "bad_reply", billed=True),
    _broken("garbled", "bad_reply", billed=True),
    # Rare, because each holds its row until the client's patience has ended.
    _broken("never_ends", "timeout", billed=True, weight=0.25),
    _broken("slow_headers", "timeout", billed=True, weight=0.25),
)

PERMANENT: Final = (
    _permanent("too_long", "too_long", "The audio is too long"),
    _permanent("too_large", "too_large", "Multimodal file size is too large"),
    _permanent("format", "format", "The audio format is illegal and cannot be opened"),
    _permanent("too_short", "format", "The audio is too short"),
    _permanent(
        "content", "content", "Input data may contain inappropriate content.",
        code="data_inspection_failed",
    ),
    Fault(
        name="200_too_long", act="error_object", error="too_long", effect="no",
        code="invalid_parameter_error", message="The audio is too long", weight=0.4,
    ),
)  # fmt: skip

HOPELESS: Final = (
    _hopeless(
        "429_free_quota", 429, "Throttling.AllocationQuota", "Free allocated quota exceeded.",
        "billing",
    ),
    _hopeless("429_not_purchased", 429, "CommodityNotPurchased", "Not purchased", "billing"),
    _hopeless("429_prepaid", 429, "PrepaidBillOverdue", "The bill is overdue", "billing"),
    _hopeless("429_postpaid", 429, "PostpaidBillOverdue", "The bill is overdue", "billing"),
    _hopeless(
        "400_arrears", 400, "Arrearage",
        "Access denied, please make sure your account is in good standing.", "billing",
    ),
    _hopeless("401", 401, "invalid_api_key", "Incorrect API key provided.", "auth"),
    _hopeless(
        "403_free_tier", 403, "AllocationQuota.FreeTierOnly",
        "The free tier of the model has been exhausted", "billing",
    ),
    _hopeless("404", 404, "model_not_found", "The model does not exist", "model"),
)  # fmt: skip

PASSING: Final = (*THROTTLED, *FAILED, *BROKEN, *PERMANENT)
"""What one row may meet; no other row suffers from it."""

BY_NAME: Final = {fault.name: fault for fault in (*PASSING, *HOPELESS)}


def draw(faults: Sequence[Fault], *, share: float, seed: str) -> Fault | None:
    """Draw what becomes of one request.

    Parameters
    ----------
    faults : sequence of Fault
        What may be drawn, each by its weight.
    share : float
        Of all requests, how many fail: 0 to 1.
    seed : str
        The same seed draws the same.

    Returns
    -------
    Fault or None
        None where the request is to be answered.
    """
    dice = random.Random(seed)  # noqa: S311 - a test that fails must fail again
    if not faults or dice.random() >= share:
        return None
    return dice.choices(faults, weights=[fault.weight for fault in faults])[0]
