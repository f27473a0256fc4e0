"""What a recogniser is: 16 kHz samples go in, a language and lazy segments of text come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of recognised speech."""

    start: float
    """Seconds from the clip's start."""
    end: float
    """Seconds from the clip's start."""
    text: str
    """As it continues the text before it: the transcript is `"".join(...)` of all."""
    tokens: int
    """Tokens of text, time stamps not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a recogniser makes of one clip."""

    language: str | None
    """The code that was asked for, else the one detected: the service's where it has one, else
    Whisper's. None where nobody speaks."""
    segments: Iterator[Segment]
    """Lazy: each step recognises as much as it needs. May be abandoned at any point."""


class Recogniser(Protocol):
    """What turns samples into text behind the local server."""

    @property
    def name(self) -> str:
        """Return the model's name, such as `whisper-base`."""

    @property
    def identity(self) -> str:
        """Return what determines the text: the weights' digest and the decoding options."""

    def listen(
        self,
        samples: NDArray[np.float32],
        *,
        language: str | None = None,
        context: str | None = None,
    ) -> Heard:
        """Recognise the speech in 16 kHz mono samples."""
