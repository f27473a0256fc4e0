"""`patience=`: how long a service that does not answer is waited for."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

import asr_pandas
from tests.conftest import Answer, Service, always, completion, distinct, refusal

Start = Callable[[Answer], Service]


@pytest.fixture
def nobody() -> asr_pandas.Endpoint:
    """Return an address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    return asr_pandas.Endpoint(f"http://127.0.0.1:{port}/v1", api_key="sk-test-0123456789")


def transcribe(cells: list[Any], **options: Any) -> pd.DataFrame:
    out: pd.DataFrame = pd.DataFrame({"audio": cells}).asr.transcribe(
        "audio", progress=False, columns="full", **options
    )
    return out


@pytest.mark.parametrize("patience", [0.05, "0.05s"])
def test_a_service_that_is_not_there_ends_the_run_with_what_it_has(
    nobody: asr_pandas.Endpoint, wav: bytes, patience: float | str
) -> None:
    cells = [None, *distinct(wav, 20), b"no audio"]

    with pytest.warns(asr_pandas.AsrWarning, match="127.0.0.1 has not answered for too long"):
        out = transcribe(cells, endpoint=nobody, patience=patience)

    assert out["status"][0] == "missing"
    assert set(out["status"][1:-1]) == {"pending"}
    assert set(out["error"].dropna()) <= {"unreadable"}
    assert out["message"][1:-1].notna().any()


def test_what_was_done_before_stays_and_the_next_run_does_the_rest(
    service: Start, nobody: asr_pandas.Endpoint, wav: bytes
) -> None:
    cells = distinct(wav, 5)
    stand_in = service(always(completion()))
    there = asr_pandas.Endpoint(stand_in.url, model=nobody.model, api_key=nobody.api_key)
    transcribe(cells[:2], endpoint=there)

    with pytest.warns(asr_pandas.AsrWarning, match="has not answered"):
        transcribe(cells, endpoint=nobody, patience=0.01)
    out = transcribe(cells, endpoint=there)

    assert out["status"].tolist() == ["ok"] * 5
    assert out["reused"].tolist() == [True, True, False, False, False]
    assert len(stand_in.asked) == 5


def test_a_service_that_is_always_at_its_limit_ends_the_run_too(service: Start, wav: bytes) -> None:
    limit = always(refusal("Requests rate limit exceeded", code="limit_requests"), status=429)

    with pytest.warns(asr_pandas.AsrWarning, match="has not answered for too long"):
        out = transcribe(distinct(wav, 10), endpoint=service(limit).endpoint, patience="0.2s")

    assert set(out["status"]) <= {"failed", "pending"}


def test_a_service_that_answers_is_never_lost_patience_with(service: Start, wav: bytes) -> None:
    out = transcribe(distinct(wav, 10), endpoint=service(always(completion())).endpoint, patience=0)

    assert out["status"].tolist() == ["ok"] * 10


@pytest.mark.parametrize("patience", ["soon", -1, True, "5m", float("nan")])
def test_what_is_no_length_of_time_is_refused_before_anything_is_sent(
    service: Start, wav: bytes, patience: Any
) -> None:
    stand_in = service(always(completion()))

    with pytest.raises(asr_pandas.OptionError, match="no length of time"):
        transcribe([wav], endpoint=stand_in.endpoint, patience=patience)

    assert stand_in.asked == []
