"""What the recogniser's decoding options cost and bring: the table behind `Decoding`'s defaults.

    python tests/benchmarks/recogniser.py

The shared clips and 40 prompts of each language (see accuracy.py), the language detected; "long"
are the shared clips of each language, joined with 1 s of silence between them.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

import numpy as np
from accuracy import Reader, Samples, Spoken, error_rate, prompts, read, shared

from asr_pandas.audio.decode import SAMPLE_RATE
from asr_pandas.local.whisper import Decoding, WhisperRecogniser

PROMPTS_PER_LANGUAGE: Final = 40
FALLBACK: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # faster-whisper's default temperatures
SPLICED_LANGUAGES: Final = ("en", "de", "es", "fr", "pt")


def main() -> None:
    clips = [*shared(), *prompts(PROMPTS_PER_LANGUAGE)]
    short = [clip for clip in clips if clip.corpus != "mismatched"]
    print(
        f"{time.strftime('%Y-%m-%d')}; {'beam':>4}{'temperature':>12}{'previous':>9}  WER % …  CPU rtf"
    )
    for beam_size in (1, 2, 5):
        for temperatures in ((0.0,), FALLBACK):
            show(short, Decoding(beam_size=beam_size, temperatures=temperatures))
    for previous in (False, True):
        show(spliced(short), Decoding(condition_on_previous_text=previous))


def show(clips: list[Spoken], decoding: Decoding) -> None:
    readings = read(_reader(decoding), clips)
    found = dict.fromkeys((clip.corpus, clip.language) for clip in clips)
    rates = [
        f"{corpus[:6]} {language} "
        f"{error_rate([r for r in readings if (r.clip.corpus, r.clip.language) == (corpus, language)]):.1f}"
        for corpus, language in found
    ]
    factor = sum(one.cpu for one in readings) / sum(clip.duration for clip in clips)
    temperature = "zero" if len(decoding.temperatures) == 1 else "fallback"
    print(
        f"{decoding.beam_size:>16}{temperature:>12}{decoding.condition_on_previous_text!s:>9}  "
        f"{', '.join(rates)}  {factor:.3f}",
        flush=True,
    )


def spliced(clips: list[Spoken]) -> list[Spoken]:
    pause = np.zeros(SAMPLE_RATE, np.float32)
    return [
        replace(
            same[0],
            corpus="long",
            reference=" ".join(clip.reference for clip in same),
            samples=np.concatenate([part for clip in same for part in (clip.samples, pause)]),
        )
        for language in SPLICED_LANGUAGES
        if (same := [c for c in clips if c.corpus == "shared" and c.language == language])
    ]


def _reader(decoding: Decoding) -> Reader:
    recogniser = WhisperRecogniser(decoding=decoding)

    def reader(samples: Samples) -> tuple[str | None, str]:
        heard = recogniser.listen(samples)
        return heard.language, "".join(segment.text for segment in heard.segments)

    return reader


if __name__ == "__main__":
    main()
