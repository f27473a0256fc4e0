"""Containers that the service does not list: encoded bytes in, FLAC out."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

from asr_pandas.audio.decode import SAMPLE_RATE, decode
from asr_pandas.audio.fit import LONGEST, MEDIA_TYPES

if TYPE_CHECKING:
    from asr_pandas.model import Clip


def converted(clip: Clip) -> Clip:
    """Return a clip in a container that the service reads: itself, where it is one already.

    M4A, GSM, CAF, AU and the like become FLAC at 16 kHz, mono: what the service makes of any sound
    before it listens, and lossless from there.

    Raises
    ------
    AudioError
        The sound cannot be decoded, or lasts longer than the service takes.
    """
    if clip.content is None or clip.container in MEDIA_TYPES:
        return clip
    import soundfile

    encoded = io.BytesIO()
    samples = decode(clip.content, limit=LONGEST)
    soundfile.write(encoded, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return replace(clip, content=encoded.getvalue(), container="flac")
