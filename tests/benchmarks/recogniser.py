"""What the recogniser's decoding options cost and bring: the table behind `Decoding`'s defaults.

    python -m tests.benchmarks.recogniser

The shared clips and 20 prompts of each language (see accuracy.py), the language detected; "long"
are the shared clips of each language, brought to one level (Whisper skips a quiet clip that shares
its window of 30 s with a loud one) and joined with 1 s of silence between them.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

import numpy as np

from asr_pandas.audio.decode import SAMPLE_RATE
from asr_pandas.local.whisper import Decoding, WhisperRecogniser
from tests.benchmarks.accuracy import (
    Reader,
    Reading,
    Samples,
    Spoken,
    error_rate,
    prompts,
    read,
    shared,
)

PROMPTS_PER_LANGUAGE: Final = 20
MISMATCHED: Final = "mismatched"
FALLBACK: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # faster-whisper's default temperatures
SPLICED_LANGUAGES: Final = ("en", "de", "es", "fr", "pt")


def main() -> None:
    clips = [
        clip for clip in (*shared(), *prompts(PROMPTS_PER_LANGUAGE)) if clip.corpus != MISMATCHED
    ]
    long = spliced(clips)
    print(f"{time.strftime('%Y-%m-%d')}: CPU real-time factor; error rate %")
    for beam_size in (1, 2, 5):
        for temperatures in ((0.0,), FALLBACK):
            show(clips, Decoding(beam_size=beam_size, temperatures=temperatures))
    for previous in (False, True):
        show(long, Decoding(condition_on_previous_text=previous))


def show(clips: list[Spoken], decoding: Decoding) -> None:
    readings = read(_reader(decoding), clips)
    factor = sum(one.cpu for one in readings) / sum(clip.duration for clip in clips)
    groups: dict[str, list[Reading]] = {}
    for one in readings:
        groups.setdefault(f"{one.clip.corpus} {one.clip.language}", []).append(one)
    rates = ", ".join(f"{name} {error_rate(group):.1f}" for name, group in groups.items())
    temperature = "0" if decoding.temperatures == (0.0,) else "fallback"
    previous = "on" if decoding.condition_on_previous_text else "off"
    print(
        f"beam {decoding.beam_size}, temperature {temperature}, previous text {previous}: "
        f"{factor:.3f}; {rates}",
        flush=True,
    )


def spliced(clips: list[Spoken]) -> list[Spoken]:
    pause = np.zeros(SAMPLE_RATE, np.float32)
    return [
        replace(
            same[0],
            corpus="long",
            reference=" ".join(clip.reference for clip in same),
            samples=np.concatenate([part for clip in same for part in (_levelled(clip), pause)]),
        )
        for language in SPLICED_LANGUAGES
        if (same := [c for c in clips if c.corpus == "shared" and c.language == language])
    ]


def _levelled(clip: Spoken) -> Samples:
    return clip.samples * np.float32(0.5 / np.abs(clip.samples).max())


def _reader(decoding: Decoding) -> Reader:
    recogniser = WhisperRecogniser(decoding=decoding)

    def reader(samples: Samples) -> tuple[str | None, str]:
        heard = recogniser.listen(samples)
        return heard.language, "".join(segment.text for segment in heard.segments)

    return reader


if __name__ == "__main__":
    main()
