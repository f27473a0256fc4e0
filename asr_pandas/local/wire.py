"""A request's body in, what it asks for out: the compatible chat form, strictly read. Pure.

The form and its limits are those of the hosted service (vendor's docs). What it ignores is
ignored here: `input_audio.format`, `enable_lid`, `temperature`, any other member.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson
import pybase64
from yarl import URL

from asr_pandas.audio.fit import LARGEST
from asr_pandas.languages import CODES
from asr_pandas.local.refusals import ILLEGAL_URL, ITEM_TOO_LARGE, invalid, unknown_model

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_ITEM_BYTES: Final = LARGEST  # of one data URL, Base64 and prefix included

# The service's names for the model (vendor's docs); the last two are the American ones.
SERVED_AS: Final = (
    "qwen3-asr-flash",
    "qwen3-asr-flash-2025-09-08",
    "qwen3-asr-flash-2026-02-10",
    "qwen3-asr-flash-us",
    "qwen3-asr-flash-2025-09-08-us",
)

_DATA_URL: Final = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_WEB_URL: Final = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What one request asks for."""

    content: bytes | None = field(default=None, repr=False)
    """The encoded audio. None where `url` is given."""
    url: str | None = None
    """http(s) address of the audio. None where `content` is here."""
    language: str | None = None
    """One of `languages.CODES`, or None to have it detected."""
    itn: bool = False
    """Taken for the form's sake: Whisper writes numbers in its own way."""
    context: str | None = None
    """The system message's text."""
    stream: bool = False
    include_usage: bool = False


def read(body: bytes, *, models: Collection[str]) -> Ask:
    """Read a request.

    Parameters
    ----------
    body : bytes
        JSON text.
    models : collection of str
        The names under which the recogniser is served.

    Returns
    -------
    Ask
        With either `content` or `url`.

    Raises
    ------
    Refusal
        The body is not of the form, names another model, or its audio is over 10 MB.

    Examples
    --------
    >>> part = b'{"type": "input_audio", "input_audio": {"data": "https://example.org/a.mp3"}}'
    >>> body = b'{"model": "m", "messages": [{"role": "user", "content": [%b]}]}' % part
    >>> read(body, models=["m"]).url
    'https://example.org/a.mp3'
    """
    members = _parsed(body)
    _check_model(members.get("model"), models=models)
    stream, include_usage = _streaming(members)
    options = _object(members.get("asr_options") or {}, name="asr_options")
    context, audio = _messages(members.get("messages"))
    content, url = _audio(audio)
    return Ask(
        content=content,
        url=url,
        language=_language(options.get("language")),
        itn=_flag(options, "enable_itn"),
        context=context,
        stream=stream,
        include_usage=include_usage,
    )


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        return _object(orjson.loads(body), name="the request body")
    except orjson.JSONDecodeError:
        raise invalid("The request body is not valid JSON.") from None


def _check_model(model: object, *, models: Collection[str]) -> None:
    if not isinstance(model, str) or not model:
        raise invalid("model must be a string.")
    if model not in models:
        raise unknown_model(model)


def _streaming(members: dict[str, Any]) -> tuple[bool, bool]:
    stream = _flag(members, "stream")
    options = members.get("stream_options")
    if options is None:
        return stream, False
    if not stream:
        raise invalid("stream_options can be set only when stream is true.")
    return stream, _flag(_object(options, name="stream_options"), "include_usage")


def _language(language: object) -> str | None:
    if language is None or language in CODES:
        return str(language) if language else None
    raise invalid(f"language must be one of {', '.join(CODES)}.")


def _messages(messages: object) -> tuple[str | None, object]:
    """Split the messages into the system message's text and the one part of the user's."""
    found = [_object(message, name="messages[]") for message in _list(messages, name="messages")]
    roles = [message.get("role") for message in found]
    if roles not in (["user"], ["system", "user"]):
        raise invalid("messages must hold one user message, after at most one system message.")
    parts = _list(found[-1].get("content"), name="the user message's content")
    if len(parts) != 1:
        raise invalid("the user message must hold exactly one part, of type input_audio.")
    return _context(found[0].get("content")) if len(found) > 1 else None, parts[0]


def _context(content: object) -> str | None:
    if content is None or isinstance(content, str):
        return content or None
    parts = [_object(part, name="system part") for part in _list(content, name="system content")]
    texts = [part.get("text") for part in parts if part.get("type", "text") == "text"]
    if len(texts) < len(parts) or not all(isinstance(text, str) for text in texts):
        raise invalid("the system message must hold text only.")
    return "\n".join(str(text) for text in texts) or None


def _audio(part: object) -> tuple[bytes | None, str | None]:
    """Return the part's audio as bytes or as an address; the other one is None."""
    item = _object(part, name="the user message's part")
    if item.get("type") != "input_audio":
        raise invalid("the user message must hold exactly one part, of type input_audio.")
    source = _object(item.get("input_audio"), name="input_audio").get("data")
    if not isinstance(source, str):
        raise invalid("input_audio.data must be a URL or a data URL.")
    if _WEB_URL.match(source):
        return None, _checked(source)
    return _decoded(source), None


def _checked(url: str) -> str:
    try:
        # What has no host, or a port that is none, cannot be an address.
        if URL(url).host:
            return url
    except ValueError:
        pass
    raise invalid(ILLEGAL_URL)


def _decoded(source: str) -> bytes:
    # The media type is a label that the service hardly reads (vendor's docs); the content decides.
    prefix = _DATA_URL.match(source)
    if prefix is None:
        raise invalid(ILLEGAL_URL)
    if len(source) > MAX_ITEM_BYTES:
        raise invalid(ITEM_TOO_LARGE)
    try:
        return pybase64.b64decode(source[prefix.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise invalid(ILLEGAL_URL) from None


def _flag(members: dict[str, Any], name: str) -> bool:
    value = members.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise invalid(f"{name} must be true or false.")


def _object(value: object, *, name: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise invalid(f"{name} must be an object.")


def _list(value: object, *, name: str) -> list[Any]:
    if isinstance(value, list):
        return value
    raise invalid(f"{name} must be a list.")
