"""Containers that the service does not list: encoded bytes in, FLAC out."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

from asr_pandas.audio.decode import SAMPLE_RATE, decode
from asr_pandas.audio.fit import LONGEST, MEDIA_TYPES, refuse_too_long
from asr_pandas.errors import AudioError

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
    if clip.url is not None or clip.container in MEDIA_TYPES:
        return clip
    import soundfile

    refuse_too_long(clip)  # by its header, before the sound is decoded for nothing
    encoded = io.BytesIO()
    try:
        samples = decode(clip.encoded(), limit=LONGEST)
    except AudioError as error:
        message = " ".join(f"{clip.name}: {error}".split())
        raise AudioError(message, kind=error.kind) from error
    soundfile.write(encoded, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return replace(
        clip,
        content=encoded.getvalue(),
        file=None,
        container="flac",
        duration=len(samples) / SAMPLE_RATE,
        exact=True,
    )
