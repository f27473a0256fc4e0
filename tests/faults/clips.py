"""Tiny clips, each unlike all others, and what the test server hears in them."""

from __future__ import annotations

import io
import random
import wave
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def clip(number: int, *, seconds: float = 0.1, rate: int = 8_000) -> bytes:
    """Make a mono WAV of 16-bit noise; each number sounds different."""
    frames = round(seconds * rate)
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(random.Random(number).randbytes(2 * frames))  # noqa: S311 - noise
    return content.getvalue()


def write_clips(folder: Path, count: int, *, seconds: float = 0.1, rate: int = 8_000) -> list[str]:
    """Write so many clips; their paths come back in the order of their numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:07}.wav" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(clip(number, seconds=seconds, rate=rate))
    return [str(path) for path in paths]


def digest(content: bytes) -> str:
    """Name a clip by what is in it."""
    return sha256(content).hexdigest()


def heard_in(audio: str) -> str:
    """Return the transcript of the clip with this digest; no two clips share one."""
    return f"heard {audio[:24]}"
