"""What the test server says, as bytes. Pure."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import orjson

from tests.faults.clips import heard_in

if TYPE_CHECKING:
    from datetime import datetime

    from tests.faults.kinds import Fault

_NOTE = {"type": "audio_info", "language": "en", "emotion": "neutral"}
_USAGE = {
    "prompt_tokens": 25,
    "prompt_tokens_details": {"audio_tokens": 25, "text_tokens": 0},
    "completion_tokens": 7,
    "total_tokens": 32,
    "seconds": 1,
}


def completion(audio: str) -> bytes:
    """Tell what is heard in the clip with this digest, in one reply."""
    said = {"role": "assistant", "content": heard_in(audio), "annotations": [_NOTE]}
    choice = {"index": 0, "finish_reason": "stop", "message": said}
    return orjson.dumps(_completion(audio, [choice], _USAGE))


def events(audio: str) -> list[bytes]:
    """Tell the same in pieces, as a stream does; `[DONE]` comes after them."""
    text = heard_in(audio)
    choices: list[dict[str, Any]] = [
        _chunk({"role": "assistant", "content": ""}),
        _chunk({"content": text[:9], "annotations": [_NOTE], "role": None}),
        _chunk({"content": text[9:], "annotations": [_NOTE], "role": None}),
        {**_chunk({"role": None}), "finish_reason": "stop"},
    ]
    told = [_completion(audio, [choice], None) for choice in choices]
    return [orjson.dumps(chunk) for chunk in (*told, _completion(audio, [], _USAGE))]


def error(fault: Fault) -> bytes:
    """Refuse in the compatible form."""
    told = {"message": fault.message, "type": "error", "param": None, "code": fault.code}
    return orjson.dumps({"error": told, "request_id": f"r-{fault.name}"})


def headers(fault: Fault, *, now: datetime) -> dict[str, str]:
    """Return the headers of a refusal; where they ask for patience by a date, it is near."""
    if fault.header is None:
        return {}
    name, value = fault.header
    return {name: value.format(date=format_datetime(now + timedelta(seconds=1), usegmt=True))}


def _completion(
    audio: str, choices: list[dict[str, Any]], usage: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{audio[:8]}",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "qwen3-asr-flash",
        "choices": choices,
        "usage": usage,
    }


def _chunk(delta: dict[str, Any]) -> dict[str, Any]:
    return {"index": 0, "finish_reason": None, "delta": delta}
