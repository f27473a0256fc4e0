"""The dialect `qwen_chat`: Qwen3-ASR-Flash through OpenAI-compatible chat completions.

A request becomes the bytes around its audio; a reply, whole or in chunks, becomes a transcription.
Pure. The form is the vendor's page "OpenAI compatible ASR"; what it leaves open was seen.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from asr_pandas.endpoint.failures import classify
from asr_pandas.model import Failure, Transcription, Usage

if TYPE_CHECKING:
    from asr_pandas.model import Request

PATH: Final = "/chat/completions"

_LARGEST_COUNT: Final = 2**63 - 1  # what an Int64 column holds
_AUDIO: Final = "\x00audio\x00"  # stands where the audio goes


def encode(request: Request) -> tuple[bytes, bytes]:
    """Build the JSON body of a request, without its audio.

    Parameters
    ----------
    request : Request
        Its payload tells only whether the audio is an address.

    Returns
    -------
    tuple of bytes
        What stands before the audio (data URL or address, inside a JSON string) and after it.
    """
    return _around_audio(
        model=request.model,
        language=request.language,
        itn=request.itn,
        context=request.context,
        stream=request.stream,
    )


# A run asks with a handful of settings; their JSON is built once.
@lru_cache(maxsize=1024)
def _around_audio(
    *, model: str, language: str | None, itn: bool, context: str | None, stream: bool
) -> tuple[bytes, bytes]:
    audio_part = {"type": "input_audio", "input_audio": {"data": _AUDIO}}
    messages: list[dict[str, Any]] = [{"role": "user", "content": [audio_part]}]
    if context:
        # Typed parts are what was seen to be accepted: vendor's docs.
        system = {"role": "system", "content": [{"type": "text", "text": context}]}
        messages.insert(0, system)
    asr_options = {"language": language, "enable_itn": itn} if language else {"enable_itn": itn}
    body: dict[str, Any] = {"model": model, "messages": messages}
    body["stream"] = stream
    if stream:
        body["stream_options"] = {"include_usage": True}
    body["asr_options"] = asr_options
    # The last one is ours: nothing that a user wrote stands after the audio.
    before, _, after = orjson.dumps(body).rpartition(orjson.dumps(_AUDIO)[1:-1])
    return before, after


def decode(reply: bytes) -> Transcription | Failure:
    """Read a whole reply.

    Returns
    -------
    Transcription or Failure
        A failure of kind `bad_reply` where the bytes are not the form, of its own kind where they
        hold an `error` object although the status was 200.
    """
    chunks = Chunks()
    return chunks.add(reply) or chunks.transcription(streamed=False)


class Chunks:
    """A reply that grows: each chunk is added, the text so far can be read at any time."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._answered = False
        self._annotation: dict[str, Any] = {}
        self._usage = Usage()
        self._finish_reason: str | None = None
        self._request_id: str | None = None
        self._model: str | None = None

    @property
    def text(self) -> str:
        """The transcript so far."""
        return "".join(self._texts)

    def add(self, chunk: bytes) -> Failure | None:
        """Take in one chunk (or one whole reply); return a failure where it is not the form."""
        try:
            body = orjson.loads(chunk)
            if body.get("error") or ("choices" not in body and "message" in body):
                return classify(200, chunk)
            self._take(body)
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, IndexError):
            return bad_reply("its JSON is not a chat completion")
        return None

    def transcription(self, *, streamed: bool) -> Transcription | Failure:
        """Return what has been said, once the reply has ended."""
        if not self._answered or (streamed and self._finish_reason is None):
            return bad_reply("it ended before the transcript did")
        return Transcription(
            text=self.text,
            language=_text_or_none(self._annotation.get("language")),
            emotion=_text_or_none(self._annotation.get("emotion")),
            usage=self._usage,
            finish_reason=self._finish_reason,
            request_id=self._request_id,
            model=self._model,
        )

    def _take(self, body: dict[str, Any]) -> None:
        self._request_id = _text_or_none(body.get("id")) or self._request_id
        self._model = _text_or_none(body.get("model")) or self._model
        self._usage = _usage(body["usage"]) if body.get("usage") else self._usage
        # The chunk that carries the usage has no choices; no other form lacks the field.
        for choice in body["choices"][:1]:
            self._answered = True
            said = choice.get("message") or choice.get("delta") or {}
            self._texts.append(_content(said.get("content")))
            # `**` refuses, here, where it is caught, what is no object.
            self._annotation = {**next(iter(said.get("annotations") or ()), self._annotation)}
            self._finish_reason = choice.get("finish_reason") or self._finish_reason


def bad_reply(what: str) -> Failure:
    """Describe a reply that cannot be read; the next attempt may bring a whole one."""
    message = f"the service's reply could not be read: {what}. Try the row again later."
    # The work may be done, and billed, all the same.
    return Failure(kind="bad_reply", message=message, retry="again", unanswered=True)


def _content(content: str | list[dict[str, str]] | None) -> str:
    """Read the text from any of the three forms seen: a string, null, a list of parts."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content)


def _usage(usage: dict[str, Any]) -> Usage:
    details = usage.get("prompt_tokens_details") or {}
    return Usage(
        seconds=_number_or_none(usage.get("seconds")),
        prompt_tokens=_count_or_none(usage.get("prompt_tokens")),
        audio_tokens=_count_or_none(details.get("audio_tokens")),
        completion_tokens=_count_or_none(usage.get("completion_tokens")),
        total_tokens=_count_or_none(usage.get("total_tokens")),
    )


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number_or_none(value: object) -> float | None:
    # Less than nothing, or no number at all, would spoil every sum.
    is_amount = isinstance(value, int | float) and 0 <= value < math.inf
    return float(value) if is_amount else None  # type: ignore[arg-type]


def _count_or_none(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value <= _LARGEST_COUNT else None
