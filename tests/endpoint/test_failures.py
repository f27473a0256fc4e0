"""Every error of the catalogue (vendor's docs) has its kind and what it means for the run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.endpoint.failures import classify, retry_after
from asr_pandas.errors import ErrorKind

PARAMETER = "invalid_parameter_error"

# HTTP status, code, message, → kind, what it means for the run.
CATALOGUE = [
    (400, PARAMETER, "The audio is too long", "too_long", "no"),
    (400, PARAMETER, "Multimodal file size is too large", "too_large", "no"),
    (
        400, PARAMETER,
        "Exceeded limit on max bytes per data-uri item : 10485760", "too_large", "no",
    ),
    (400, PARAMETER, "The audio format is illegal and cannot be opened", "format", "no"),
    (
        400, PARAMETER,
        "The media format is not supported or incorrect for the data inspection", "format", "no",
    ),
    (400, PARAMETER, "audio is too short", "format", "no"),
    (400, PARAMETER, "The provided URL does not appear to be valid. Ensure…", "download", "no"),
    (400, PARAMETER, "format is empty", "wrong_endpoint", "stop"),
    (400, PARAMETER, "The voice property is required.", "wrong_endpoint", "stop"),
    (400, "InvalidParameter", "url error, please check url\uff01", "wrong_endpoint", "stop"),
    (400, "InvalidParameter", "Failed to download multimodal content", "download", "again"),
    (
        400, "InvalidParameter.DataInspection",
        "Download the media resource timed out during the data inspection process",
        "download", "again",
    ),
    (
        400, "InvalidParameter.DataInspection",
        "Unable to download the media resource", "download", "again",
    ),
    (400, "", "Request failed. Please retry.", "server", "again"),
    (400, "DataInspectionFailed", "Input data may contain…", "content", "no"),
    (400, "data_inspection_failed", "Input data may contain…", "content", "no"),
    (
        400, "Arrearage",
        "Access denied, please make sure your account is in good standing.", "billing", "stop",
    ),
    (401, "InvalidApiKey", "Incorrect API key provided.", "auth", "stop"),
    (401, "invalid_api_key", "Incorrect API key provided.", "auth", "stop"),
    (403, "AccessDenied", "Access denied.", "auth", "stop"),
    (403, "Workspace.AccessDenied", "Workspace access denied.", "auth", "stop"),
    (403, "Model.AccessDenied", "Model access denied.", "model", "stop"),
    (
        403, "AccessDenied",
        "Current user api does not support asynchronous calls", "wrong_endpoint", "stop",
    ),
    (
        403, "AccessDenied",
        "Current user api does not support synchronous calls", "wrong_endpoint", "stop",
    ),
    (403, "AccessDenied.Unpurchased", "Access to model denied.", "billing", "stop"),
    (
        403, "AllocationQuota.FreeTierOnly",
        "The free tier of the model has been exhausted", "billing", "stop",
    ),
    (404, "ModelNotFound", "Model not exist.", "model", "stop"),
    (404, "model_not_found", "The model does not exist.", "model", "stop"),
    (
        404, "model_not_supported",
        "Unsupported model xxx for OpenAI compatibility mode", "model", "stop",
    ),
    (429, "Throttling.RateQuota", "Requests rate limit exceeded", "rate_limit", "again"),
    (429, "LimitRequests", "You exceeded your current requests list", "rate_limit", "again"),
    (429, "limit_requests", "You exceeded your current requests list", "rate_limit", "again"),
    (429, "Throttling.BurstRate", "Request rate increased too quickly", "rate_limit", "again"),
    (429, "limit_burst_rate", "Request rate increased too quickly", "rate_limit", "again"),
    (429, "Throttling.AllocationQuota", "Free allocated quota exceeded.", "billing", "stop"),
    (429, "insufficient_quota", "Free allocated quota exceeded.", "billing", "stop"),
    (429, "Throttling.AllocationQuota", "Allocated quota exceeded", "rate_limit", "again"),
    (
        429, "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details",
        "rate_limit", "again",
    ),
    (429, "CommodityNotPurchased", "Commodity has not purchased yet.", "billing", "stop"),
    (429, "PrepaidBillOverdue", "The prepaid bill is overdue.", "billing", "stop"),
    (429, "PostpaidBillOverdue", "The postpaid bill is overdue.", "billing", "stop"),
    (500, "InternalError", "Internal error.", "server", "again"),
    (500, "InternalError.Algo", "Internal algo error.", "server", "again"),
    (500, "InternalError.Timeout", "Internal time-out.", "timeout", "again"),
    (500, "SystemError", "System error.", "server", "again"),
    (500, "ModelServiceFailed", "Model service failed.", "server", "again"),
    (500, "", "Missing Content-Length of multimodal url.", "download", "no"),
    (500, "RequestTimeOut", "Request timed out.", "timeout", "again"),
    (
        503, "ModelServingError",
        "Too many requests. Your requests are being throttled due to system capacity limits.",
        "server", "again",
    ),
    (503, "ModelUnavailable", "Model is unavailable.", "server", "again"),
    (408, "", "", "timeout", "again"),
    (409, "", "", "server", "again"),
    (413, "", "", "too_large", "no"),
    (429, "", "", "rate_limit", "again"),
    (502, "", "", "server", "again"),
    (504, "", "", "timeout", "again"),
    (200, "", "something inside a stream", "server", "again"),
    (422, "", "unprocessable", "server", "no"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "code", "message", "kind", "retry"), CATALOGUE)
def test_each_error_has_its_kind_in_both_of_the_service_s_forms(
    status: int, code: str, message: str, kind: str, retry: str
) -> None:
    compatible = {"error": {"message": f"<400> InternalError.Algo: {message}", "code": code}}
    dashscope = {"code": code, "message": message, "request_id": "r-1"}

    failures = [classify(status, orjson.dumps(body)) for body in (compatible, dashscope)]

    assert [(failure.kind, failure.retry) for failure in failures] == [(kind, retry)] * 2
    assert failures[1].request_id == "r-1"


LIMITS = [
    (429, "Throttling.RateQuota", "Requests rate limit exceeded", "rate"),
    (429, "LimitRequests", "You exceeded your current requests list", "rate"),
    (429, "limit_requests", "", "rate"),
    (429, "Throttling", "", "rate"),
    (429, "", "", "rate"),
    (429, "Throttling.BurstRate", "Request rate increased too quickly", "burst"),
    (429, "limit_burst_rate", "", "burst"),
    (429, "Throttling.AllocationQuota", "Allocated quota exceeded", "quota"),
    (429, "insufficient_quota", "You exceeded your current quota, please check…", "quota"),
    (503, "ModelServingError", "Too many requests… throttled due to system capacity", "capacity"),
    (503, "ModelServingError", "", "capacity"),
    (503, "ModelUnavailable", "Model is unavailable.", "capacity"),
    (429, "Throttling.AllocationQuota", "Free allocated quota exceeded.", None),
    (429, "PrepaidBillOverdue", "The prepaid bill is overdue.", None),
    (503, "", "", None),
    (500, "InternalError", "Internal error.", None),
]


@pytest.mark.parametrize(("status", "code", "message", "throttle"), LIMITS)
def test_a_refusal_tells_which_limit_was_hit(
    status: int, code: str, message: str, throttle: str | None
) -> None:
    failure = classify(status, orjson.dumps({"error": {"message": message, "code": code}}))

    assert failure.throttle == throttle


@given(status=st.integers(200, 599), body=st.binary() | st.text().map(str.encode))
def test_whatever_comes_back_becomes_a_failure_with_a_message(status: int, body: bytes) -> None:
    failure = classify(status, body)

    assert failure.kind in get_args(ErrorKind)
    assert failure.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["error", "code", "x"]), inner),
)


@given(status=st.integers(200, 599), body=JSON)
def test_json_of_any_shape_becomes_a_failure(status: int, body: object) -> None:
    failure = classify(status, orjson.dumps(body))

    assert failure.kind in get_args(ErrorKind)


@pytest.mark.parametrize(
    "message",
    ["Incorrect API key provided: sk-ab12cd34ef.", "Bearer sk-ab12cd34ef is no key"],
)
def test_what_looks_like_a_key_is_not_repeated(message: str) -> None:
    failure = classify(401, orjson.dumps({"error": {"message": message}}))

    assert "ab12" not in failure.message


def test_words_about_a_key_are_no_key() -> None:
    failure = classify(401, orjson.dumps({"error": {"message": "Incorrect API key provided."}}))

    assert failure.message.startswith("Incorrect API key provided.")


def test_a_refused_key_names_the_variable_and_the_region() -> None:
    failure = classify(401, b"")

    assert "DASHSCOPE_API_KEY" in failure.message
    assert "dashscope-cn" in failure.message


NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": format_datetime(NOW + timedelta(hours=3), usegmt=True)}, 10_800.0),
        ({"retry-after": format_datetime(NOW - timedelta(hours=3), usegmt=True)}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "864000"}, 864_000.0),
        ({"retry-after-ms": "864000000"}, 864_000.0),
        ({"retry-after": format_datetime(NOW + timedelta(days=30), usegmt=True)}, 30 * 86_400.0),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after-ms": "nan", "retry-after": "7"}, 7.0),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:00"}, None),
    ],
)
def test_retry_after_is_read_as_seconds_milliseconds_or_a_date(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers, now=NOW) == seconds


def test_an_address_s_signature_is_not_repeated() -> None:
    body = (
        b'{"message":"Failed to download multimodal content: https://b.s3.io/a.wav?X-Sig=secret"}'
    )

    message = classify(400, body).message

    assert "https://b.s3.io/a.wav?" in message
    assert "secret" not in message
