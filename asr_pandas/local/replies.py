"""What was heard in, the service's replies out: whole, or as the chunks of a stream. Pure.

Fields, their order and the sequence of the chunks are the vendor's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import orjson

_TOKENS_PER_SECOND: Final = 25  # of audio, "< 1 s counts as 1 s": vendor's docs

LAST_EVENT: Final = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What all chunks of one reply share."""

    request_id: str
    created: int
    """Seconds since 1970."""
    model: str
    """The recogniser's own name, whatever the request called it."""

    def chunk(self, choices: list[dict[str, Any]], *, usage: object = None) -> dict[str, Any]:
        """Build one chunk of a stream."""
        return {**self._head("chat.completion.chunk"), "usage": usage, "choices": choices}

    def whole(self, choice: dict[str, Any], *, usage: object) -> dict[str, Any]:
        """Build a reply that is not streamed."""
        return {**self._head("chat.completion"), "choices": [choice], "usage": usage}

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.request_id}",
            "object": kind,
            "created": self.created,
            "model": self.model,
        }


def completion(
    text: str, *, language: str | None, usage: dict[str, Any], stamp: Stamp
) -> dict[str, Any]:
    """Build the reply to a request that did not ask for a stream."""
    said = {
        "role": "assistant",
        "content": text,
        # Silence has no language, whatever was guessed from it or hinted.
        "annotations": annotated(language if text else None),
    }
    choice = {"index": 0, "finish_reason": "stop", "message": said}
    return stamp.whole(choice, usage=usage)


def opening(stamp: Stamp) -> dict[str, Any]:
    """Build a stream's first chunk: the role, and no text yet."""
    delta = {"role": "assistant", "content": ""}
    return stamp.chunk([{"index": 0, "logprobs": None, "finish_reason": None, "delta": delta}])


def increment(text: str, *, language: str | None, stamp: Stamp) -> dict[str, Any]:
    """Build the chunk of one segment."""
    delta = {"annotations": annotated(language), "content": text, "role": None}
    return stamp.chunk([{"index": 0, "finish_reason": None, "delta": delta}])


def ending(stamp: Stamp) -> dict[str, Any]:
    """Build the chunk that ends the text; its delta has no content at all."""
    return stamp.chunk([{"index": 0, "finish_reason": "stop", "delta": {"role": None}}])


def accounting(usage: dict[str, Any], *, stamp: Stamp) -> dict[str, Any]:
    """Build the chunk without choices that `include_usage` asks for."""
    return stamp.chunk([], usage=usage)


def annotated(language: str | None) -> list[dict[str, str]]:
    """Say the language, where one is known; the recogniser hears no emotion, so none is named.

    Examples
    --------
    >>> annotated("en"), annotated(None)
    ([{'type': 'audio_info', 'language': 'en'}], [])
    """
    return [{"type": "audio_info", "language": language}] if language else []


def count(duration: float, *, text_tokens: int) -> dict[str, Any]:
    """Count a request's usage as the service does.

    Parameters
    ----------
    duration : float
        Seconds of audio.
    text_tokens : int
        Tokens that the recogniser wrote.

    Returns
    -------
    dict
        The `usage` member.

    Examples
    --------
    >>> usage = count(1.68, text_tokens=12)  # the figures of the vendor's example
    >>> usage["prompt_tokens"], usage["seconds"], usage["total_tokens"]
    (42, 1, 54)
    """
    audio_tokens = max(_TOKENS_PER_SECOND, round(_TOKENS_PER_SECOND * duration))
    return {
        "prompt_tokens": audio_tokens,
        "prompt_tokens_details": {"audio_tokens": audio_tokens, "text_tokens": 0},
        "completion_tokens": text_tokens,
        "completion_tokens_details": {"text_tokens": text_tokens},
        "total_tokens": audio_tokens + text_tokens,
        "seconds": max(1, math.floor(duration)),
    }


def event(chunk: dict[str, Any]) -> bytes:
    """Write one chunk as a server-sent event."""
    return b"data: " + orjson.dumps(chunk) + b"\n\n"
