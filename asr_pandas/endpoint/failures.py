"""What kind of failure is this? An error reply in, a `Failure` out: one table, read from the top.

The table is the error catalogue of DashScope and its neighbours (vendor's docs). Many causes share
one code there, so that the text decides first, then the code, then the HTTP status.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from asr_pandas.model import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from asr_pandas.errors import ErrorKind
    from asr_pandas.model import Retry, Throttle


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table: what is looked for, what it means, and the way out."""

    said: str
    """Lower case; a piece of the message, a whole code, or an HTTP status."""
    kind: ErrorKind
    retry: Retry
    way_out: str
    throttle: Throttle | None = None
    """Which limit was hit, where one was."""


_SPLIT = "Cut the audio into pieces of less than 5 minutes"
_COMPRESS = "The limit is 10 MB after Base64, about 7.8 MB of file: save it as FLAC, MP3 or Opus"
_CONVERT = "Save it as WAV, FLAC or MP3; the ending may not tell the true format"
_FETCH = "The service could not fetch the address; give the file itself, or an address open to all"
_ADDRESS = "The address is not one that the service can fetch: it must be public http(s)"
_KEY = (
    "Check the key: DASHSCOPE_API_KEY for DashScope, api_key= for other services. "
    "A key works in its own region alone: endpoint='dashscope-intl' (Singapore) or 'dashscope-cn' "
    "(Beijing)"
)
_BILLING = "The account cannot pay: settle it in the provider's console, then run the cell again"
_MODEL = "Check model= of the endpoint, and that the account may use it"
_WRONG = (
    "The endpoint does not serve this model in this form: check its address and model. For "
    "DashScope that is model='qwen3-asr-flash' at an address that ends in /compatible-mode/v1"
)
_ELSEWHERE = "The address only points to another one: give the endpoint that one"
_SAFETY = "The provider's content inspection refused this audio"
_WAIT = "The account's rate limit was reached; lower rpm=, or try the row again later"
_LATER = "The service failed; try the row again later"
_SLOW = "The service needed too long; stream=True helps with long audio"
_REQUEST = "The service refused the request"

_TEXTS: Final[tuple[Rule, ...]] = (
    Rule("audio is too long", "too_long", "no", _SPLIT),
    Rule("multimodal file size is too large", "too_large", "no", _COMPRESS),
    Rule("exceeded limit on max bytes per data-uri item", "too_large", "no", _COMPRESS),
    Rule("audio format is illegal", "format", "no", _CONVERT),
    Rule("media format is not supported", "format", "no", _CONVERT),
    Rule("audio is too short", "format", "no", "Pad the clip to half a second, or leave it out"),
    Rule("provided url does not appear to be valid", "download", "no", _ADDRESS),
    Rule("format is empty", "wrong_endpoint", "stop", _WRONG),
    Rule("voice property is required", "wrong_endpoint", "stop", _WRONG),
    Rule("url error, please check url", "wrong_endpoint", "stop", _WRONG),
    Rule("does not support asynchronous calls", "wrong_endpoint", "stop", _WRONG),
    Rule("does not support synchronous calls", "wrong_endpoint", "stop", _WRONG),
    Rule("for openai compatibility mode", "model", "stop", _MODEL),
    Rule("missing content-length of multimodal url", "download", "no", _FETCH),
    Rule("failed to download multimodal content", "download", "again", _FETCH),
    Rule("download the media resource", "download", "again", _FETCH),
    Rule("request failed. please retry", "server", "again", _LATER),
    Rule("account is in good standing", "billing", "stop", _BILLING),
    Rule("free tier of the model has been exhausted", "billing", "stop", _BILLING),
    Rule("free allocated quota exceeded", "billing", "stop", _BILLING),
    Rule("incorrect api key provided", "auth", "stop", _KEY),
    # Clears in a minute on DashScope, unlike OpenAI's error of the same code.
    Rule("allocated quota exceeded", "rate_limit", "again", _WAIT, "quota"),
    Rule("you exceeded your current quota", "rate_limit", "again", _WAIT, "quota"),
    Rule("exceeded your current requests", "rate_limit", "again", _WAIT, "rate"),
    Rule("rate limit exceeded", "rate_limit", "again", _WAIT, "rate"),
    Rule("request rate increased too quickly", "rate_limit", "again", _WAIT, "burst"),
    Rule("throttled due to system capacity", "server", "again", _LATER, "capacity"),
)

_CODES: Final[tuple[Rule, ...]] = (
    Rule("datainspectionfailed", "content", "no", _SAFETY),
    Rule("data_inspection_failed", "content", "no", _SAFETY),
    Rule("invalidparameter.datainspection", "download", "again", _FETCH),
    Rule("arrearage", "billing", "stop", _BILLING),
    Rule("accessdenied.unpurchased", "billing", "stop", _BILLING),
    Rule("allocationquota.freetieronly", "billing", "stop", _BILLING),
    Rule("commoditynotpurchased", "billing", "stop", _BILLING),
    Rule("prepaidbilloverdue", "billing", "stop", _BILLING),
    Rule("postpaidbilloverdue", "billing", "stop", _BILLING),
    Rule("invalidapikey", "auth", "stop", _KEY),
    Rule("invalid_api_key", "auth", "stop", _KEY),
    Rule("accessdenied", "auth", "stop", _KEY),
    Rule("workspace.accessdenied", "auth", "stop", _KEY),
    Rule("model.accessdenied", "model", "stop", _MODEL),
    Rule("modelnotfound", "model", "stop", _MODEL),
    Rule("model_not_found", "model", "stop", _MODEL),
    Rule("model_not_supported", "model", "stop", _MODEL),
    Rule("throttling", "rate_limit", "again", _WAIT, "rate"),
    Rule("throttling.ratequota", "rate_limit", "again", _WAIT, "rate"),
    Rule("throttling.burstrate", "rate_limit", "again", _WAIT, "burst"),
    Rule("throttling.allocationquota", "rate_limit", "again", _WAIT, "quota"),
    Rule("limitrequests", "rate_limit", "again", _WAIT, "rate"),
    Rule("limit_requests", "rate_limit", "again", _WAIT, "rate"),
    Rule("limit_burst_rate", "rate_limit", "again", _WAIT, "burst"),
    Rule("insufficient_quota", "rate_limit", "again", _WAIT, "quota"),
    Rule("modelservingerror", "server", "again", _LATER, "capacity"),
    Rule("modelunavailable", "server", "again", _LATER, "capacity"),
    Rule("requesttimeout", "timeout", "again", _SLOW),
    Rule("internalerror.timeout", "timeout", "again", _SLOW),
)

_STATUSES: Final[tuple[Rule, ...]] = (
    *(
        Rule(str(status), "wrong_endpoint", "stop", _ELSEWHERE)
        for status in (301, 302, 303, 307, 308)
    ),
    Rule("401", "auth", "stop", _KEY),
    Rule("402", "billing", "stop", _BILLING),
    Rule("403", "auth", "stop", _KEY),
    Rule("404", "wrong_endpoint", "stop", _WRONG),
    Rule("405", "wrong_endpoint", "stop", _WRONG),
    Rule("408", "timeout", "again", _SLOW),
    Rule("409", "server", "again", _LATER),
    Rule("413", "too_large", "no", _COMPRESS),
    Rule("415", "format", "no", _CONVERT),
    Rule("429", "rate_limit", "again", _WAIT, "rate"),
    Rule("504", "timeout", "again", _SLOW),
)

# What follows an address's question mark may be its signature.
_QUERY: Final = re.compile(r"(https?://[^\s\"'<>?]+)\?[^\s\"'<>]*", re.IGNORECASE)
_KEY_LIKE: Final = re.compile(r"\bsk-[\w*.-]{4,}|\bBearer\s+\S+")
_LONGEST_WAIT: Final = 31 * 86_400.0  # seconds
_LONGEST_QUOTE: Final = 300  # characters of the service's own words that a message repeats


def classify(status: int, body: bytes, *, retry_after: float | None = None) -> Failure:
    """Classify an error reply.

    Parameters
    ----------
    status : int
        HTTP status; 200 for an error inside a stream.
    body : bytes
        The reply: the compatible form, DashScope's own, or anything else.
    retry_after : float, optional
        Seconds that the reply asked to wait.

    Returns
    -------
    Failure
        Its message holds the service's words, without anything that looks like a key, and the
        way out.

    Examples
    --------
    >>> refusal = b'{"error":{"code":"invalid_parameter_error","message":"The audio is too long"}}'
    >>> classify(400, refusal).kind
    'too_long'
    """
    message, code, request_id = _read(body)
    rule = (
        next((rule for rule in _TEXTS if rule.said in message.lower()), None)
        or next((rule for rule in _CODES if rule.said == code.lower()), None)
        or next((rule for rule in _STATUSES if rule.said == str(status)), None)
        or _otherwise(status)
    )
    said = _KEY_LIKE.sub("[key]", _QUERY.sub(r"\1?…", message or code))[:_LONGEST_QUOTE].strip()
    return Failure(
        kind=rule.kind,
        message=f"{said or f'HTTP {status}'}. {rule.way_out}.".replace("..", "."),
        retry=rule.retry,
        retry_after=retry_after,
        request_id=request_id,
        throttle=rule.throttle,
    )


def _otherwise(status: int) -> Rule:
    # 200 is an error inside a stream: nothing says that asking again is hopeless.
    if status >= 500 or status < 400:  # noqa: PLR2004  (HTTP's own classes)
        return Rule(str(status), "server", "again", _LATER)
    return Rule(str(status), "server", "no", _REQUEST)


def _read(body: bytes) -> tuple[str, str, str | None]:
    """Find message, code and request id in either of the two forms, or in none."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body[:_LONGEST_QUOTE].decode("utf-8", errors="replace"), "", None
    if not isinstance(parsed, dict):
        return str(parsed)[:_LONGEST_QUOTE], "", None
    error = parsed.get("error")
    fields: dict[str, Any] = error if isinstance(error, dict) else parsed
    message = error if isinstance(error, str) else fields.get("message") or fields.get("detail")
    request_id = parsed.get("request_id") or parsed.get("id")
    code = str(fields.get("code") or "")
    return str(message or ""), code, str(request_id) if request_id else None


def retry_after(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Read how long a reply asks to wait: `retry-after-ms`, or `Retry-After` as seconds or a date.

    Parameters
    ----------
    headers : mapping
        The reply's headers, looked up as given (HTTP clients ignore the case).
    now : datetime
        The present time, with a time zone.

    Returns
    -------
    float or None
        Seconds, never negative; None where nothing readable is said, or more than a month: who
        asks for that has written something else.

    Examples
    --------
    >>> from datetime import datetime, timezone
    >>> retry_after({"retry-after": "2.5"}, now=datetime.now(timezone.utc))
    2.5
    """
    for name, seconds_each in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * seconds_each
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds):
            return _meant(seconds)
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
        return _meant((date - now).total_seconds())
    except (OverflowError, TypeError, ValueError):
        # No date; or one without a time zone, which cannot be compared.
        return None


def _meant(seconds: float) -> float | None:
    return max(0.0, seconds) if seconds <= _LONGEST_WAIT else None
