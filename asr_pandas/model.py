"""The frozen values that flow: cell → `Clip` → `Payload` → `Request` → `Outcome` → columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from asr_pandas.errors import ErrorKind

Status = Literal["ok", "empty", "missing", "failed", "cancelled", "pending"]
"""The words of the `status` column; it is never null."""

Retry = Literal["no", "again", "stop"]
"""What a failure means for the run: give this row up, ask again, or stop asking at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One cell's audio as it was found: encoded bytes, or the address that the service fetches."""

    name: str
    """What to call it in a message: a path, an address, `12,345 bytes`."""
    content: bytes | None = field(default=None, repr=False)
    """The encoded file, untouched. None where only `url` is known."""
    url: str | None = None
    """http(s) address for the service to fetch. None where `content` is here."""
    container: str | None = None
    """`wav`, `mp3`, `flac`… as read from the header; None for an address."""
    duration: float | None = None
    """Seconds, as the header tells; None for an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What travels: an address, or bytes that fit the service, with their media type."""

    content: bytes | None = field(default=None, repr=False)
    media_type: str | None = None
    """`audio/wav`, `audio/mpeg`…; None for an address."""
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call to the service: a payload and every option that may change its answer."""

    payload: Payload
    model: str
    language: str | None = None
    """The service's code, or None to have it detected."""
    itn: bool = False
    """Inverse text normalisation: "twenty five" → "25" (Chinese and English only)."""
    context: str | None = None
    """Background text that biases recognition: names, terms, a paragraph."""
    stream: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a reply says it counted; None where it says nothing."""

    seconds: float | None = None
    """Billed seconds of audio."""
    prompt_tokens: int | None = None
    audio_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcription:
    """One reply, read."""

    text: str
    language: str | None = None
    emotion: str | None = None
    usage: Usage = Usage()
    finish_reason: str | None = None
    request_id: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no transcription, and what that means for the run."""

    kind: ErrorKind
    message: str
    """What happened, and the way out."""
    retry: Retry = "no"
    retry_after: float | None = None
    """Seconds that the service asked us to wait."""
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one row."""

    status: Status
    transcription: Transcription | None = None
    failure: Failure | None = None
    duration: float | None = None
    """Seconds, measured from the audio."""
    language_given: bool = False
    """Whether the request named a language: the reply then only echoes it."""
    attempts: int = 0
    latency: float | None = None
    """Seconds from the last attempt's start to its reply."""
    transcribed_at: datetime | None = None


PENDING = Outcome(status="pending")
CANCELLED = Outcome(status="cancelled")
MISSING = Outcome(status="missing")
