"""The frozen values that flow: cell → `Clip` → `Payload` → `Request` → `Outcome` → columns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from asr_pandas.errors import ErrorKind

Status = Literal["ok", "empty", "missing", "failed", "cancelled", "pending"]
"""The words of the `status` column; it is never null."""

Retry = Literal["no", "again", "stop"]
"""What a failure means for the run: give this row up, ask again, or stop asking at all."""

Throttle = Literal["rate", "burst", "quota", "capacity"]
"""Which limit a refusal speaks of: requests per minute, their sudden growth, what the account was
allotted, or what the service has left for everybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A local file as it was found: while size and time stay, so does what is in it."""

    path: str
    """Absolute."""
    size: int
    """Bytes."""
    mtime_ns: int
    """Time of the last change, in nanoseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One cell's audio as it was found: encoded bytes, or the address that the service fetches."""

    name: str
    """What to call it in a message: a path, an address, `12,345 bytes`."""
    content: bytes | None = field(default=None, repr=False)
    """The encoded file, untouched. None where it is left in `file`, or only `url` is known."""
    file: File | None = None
    """Where it was read; without `content`, it is read again while it is sent."""
    url: str | None = None
    """http(s) address for the service to fetch. None where the audio is here."""
    identity: str | None = None
    """What the journal knows the audio by: `sha256:…` of the file's bytes, or what a store tells
    about an address. None where nothing is known."""
    container: str | None = None
    """`wav`, `mp3`, `flac`… as read from the header; None for an address."""
    duration: float | None = None
    """Seconds, as the header tells; None for an address."""
    exact: bool = False
    """Whether the duration is counted in samples, and not estimated from a bit rate."""

    @property
    def size(self) -> int:
        """Bytes of the encoded file; 0 for an address."""
        if self.content is None:
            return self.file.size if self.file else 0
        return len(self.content)

    def encoded(self) -> bytes:
        """Return the encoded file, from the disk where it was left there."""
        if self.content is None and self.file:
            return Path(self.file.path).read_bytes()
        return self.content or b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What travels: an address, or bytes that fit the service, with their media type."""

    content: bytes | None = field(default=None, repr=False)
    file: File | None = None
    """Where the bytes are read while they are sent, instead of `content`."""
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
    throttle: Throttle | None = None
    """Which limit was hit, where one was."""
    unanswered: bool = False
    """Whether the attempt ended without a reply: the work may have been done, and billed."""


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
    unanswered: int = 0
    """Attempts that ended without a reply, which may have been billed all the same."""
    latency: float | None = None
    """Seconds from the last attempt's start to its reply."""
    transcribed_at: datetime | None = None
    endpoint: str | None = None
    """The host that was asked; None where nobody was."""
    model: str | None = None
    """The model that was asked for; a reply's own word goes before it."""
    cost: float | None = None
    """Price of the transcription, whoever paid, in the endpoint's currency."""
    cost_estimated: bool = False
    """Whether the reply did not say how many seconds it bills."""
    reused: bool = False
    """Whether this run took it from the journal, or from an equal row, and did not pay."""
    note: str | None = None
    """What a row without a failure has to say: why it is pending, say."""

    def as_reused(self) -> Outcome:
        """Return the same for a row that did not ask, and for which nothing can have been paid."""
        return replace(self, reused=True, unanswered=0)


PENDING = Outcome(status="pending")
MISSING = Outcome(status="missing")
