"""How well the embedded recogniser reads recorded speech, beside plain faster-whisper.

Run from anywhere, after `pip install -e ".[local]" jiwer whisper-normalizer`:

    python tests/benchmarks/accuracy.py

Speech: the shared clips (folder `../shared/audio` beside the repository) and the Debian telephone
prompts of at least 1 s. Error rates are those of the whole corpus (jiwer). Ends with exit code 1
when a floor does not hold.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import jiwer
import numpy as np
from numpy.typing import NDArray
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

from asr_pandas.audio.decode import SAMPLE_RATE, decode
from asr_pandas.files.samples import samples
from asr_pandas.local.weights import locate
from asr_pandas.local.whisper import BEAM_SIZE, WhisperRecogniser, cores

SHARED: Final = Path(__file__).parents[2].parent / "shared" / "audio"
MISMATCHED: Final = Path(__file__).parent / "mismatched_prompts.txt"
PROMPTS_PER_LANGUAGE: Final = 155
SHORTEST_PROMPT: Final = 1.0
SHORTEST_FOR_LANGUAGE: Final = 3.0
WRONG_LANGUAGES_ALLOWED: Final = 1
POINTS_ALLOWED: Final = 0.5

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A recording, and what is said in it."""

    corpus: str
    name: str
    language: str
    reference: str
    samples: Samples

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one recogniser made of it."""

    clip: Spoken
    language: str | None
    text: str
    cpu: float
    wall: float


Reader = Callable[[Samples], tuple[str | None, str]]


def main() -> int:
    weights = locate()
    readers = {"embedded": embedded(), "plain": plain(weights.folder)}
    clips = [*shared(), *prompts(PROMPTS_PER_LANGUAGE)]
    print_conditions(clips)
    readings = {name: read(reader, clips) for name, reader in readers.items()}
    print_table(readings)
    return check(readings)


def embedded() -> Reader:
    recogniser = WhisperRecogniser()

    def reader(samples: Samples) -> tuple[str | None, str]:
        heard = recogniser.listen(samples)
        return heard.language, "".join(segment.text for segment in heard.segments)

    return reader


def plain(folder: Path) -> Reader:
    """faster-whisper as its own page shows it: same weights and beam, defaults otherwise."""
    from faster_whisper import WhisperModel

    model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=cores())

    def reader(samples: Samples) -> tuple[str | None, str]:
        segments, found = model.transcribe(samples, beam_size=BEAM_SIZE)
        return found.language, "".join(segment.text for segment in segments)

    return reader


def shared() -> list[Spoken]:
    if not SHARED.is_dir():
        return []
    with (SHARED / "manifest.csv").open(encoding="utf-8") as file:
        return [
            Spoken(
                corpus="shared",
                name=row["file"],
                language=row["language"],
                reference=row["reference"],
                samples=decode(SHARED / row["file"]),
            )
            for row in csv.DictReader(file)
        ]


def prompts(per_language: int) -> list[Spoken]:
    """Evenly spaced prompts of each language, and all that are known not to match their text."""
    mismatched = set(mismatched_prompts())
    found = [
        _prompt(*row, mismatched=mismatched) for row in samples("prompts").itertuples(index=False)
    ]
    long = [clip for clip in found if clip.duration >= SHORTEST_PROMPT]
    picked: list[Spoken] = []
    for language in ("en", "es", "fr"):
        good = [clip for clip in long if clip.language == language and clip.corpus == "prompts"]
        indices = np.linspace(0, len(good) - 1, per_language).round().astype(int)
        picked += [good[index] for index in indices]
    return [*picked, *(clip for clip in long if clip.corpus == "mismatched")]


def mismatched_prompts() -> list[str]:
    lines = MISMATCHED.read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line and not line.startswith("#")]


def _prompt(audio: str, reference: str, spoken: str, *, mismatched: set[str]) -> Spoken:
    # …/sounds/<locale and voice>/<name>.wav, where a name may have a folder.
    after = Path(audio).parts[Path(audio).parts.index("sounds") + 2 :]
    name = f"{spoken}/{Path(*after).with_suffix('').as_posix()}"
    return Spoken(
        corpus="mismatched" if name in mismatched else "prompts",
        name=name,
        language=spoken,
        reference=reference,
        samples=decode(audio),
    )


def read(reader: Reader, clips: list[Spoken]) -> list[Reading]:
    reader(clips[0].samples)  # the first call is slower
    return [_timed(reader, clip) for clip in clips]


def _timed(reader: Reader, clip: Spoken) -> Reading:
    wall, cpu = time.perf_counter(), time.process_time()
    language, text = reader(clip.samples)
    return Reading(
        clip=clip,
        language=language,
        text=text,
        cpu=time.process_time() - cpu,
        wall=time.perf_counter() - wall,
    )


def error_rate(readings: list[Reading]) -> float:
    """Percent of the corpus' words, or of its characters for Chinese."""
    language = readings[0].clip.language
    normalise = normaliser(language)
    references = [normalise(reading.clip.reference) for reading in readings]
    texts = [normalise(reading.text) for reading in readings]
    if language != "zh":
        return 100 * float(jiwer.wer(references, texts))
    # Chinese is written without spaces.
    references, texts = ([text.replace(" ", "") for text in side] for side in (references, texts))
    return 100 * float(jiwer.cer(references, texts))


@cache
def normaliser(language: str) -> Callable[[str], str]:
    if language == "en":
        return EnglishTextNormalizer()  # type: ignore[no-any-return]
    # The Spanish prompts' texts are written without accents, most of them.
    return BasicTextNormalizer(remove_diacritics=language == "es")  # type: ignore[no-any-return]


def print_conditions(clips: list[Spoken]) -> None:
    packages = ("faster-whisper", "ctranslate2", "jiwer", "whisper-normalizer")
    print(
        time.strftime("%Y-%m-%d"),
        *(f"{package} {version(package)}" for package in packages),
        sep=", ",
    )
    print(
        f"Whisper base, int8, {cores()} threads, beam {BEAM_SIZE}, language detected; "
        f"{len(clips)} clips, {sum(clip.duration for clip in clips) / 60:.1f} min.\n"
        "Normaliser: whisper-normalizer's English for en, Basic for the others, "
        "Basic without accents for es. CER for zh.\n"
    )


def print_table(readings: dict[str, list[Reading]]) -> None:
    print(
        f"{'speech':<14}{'clips':>6}{'s':>7}{'WER %':>8}{'plain':>7}{'language':>10}{'plain':>9}",
        end="",
    )
    print(f"{'CPU rtf':>9}{'plain':>7}{'wall':>7}{'plain':>7}")
    for group in groups(readings["embedded"]):
        mine, other = (of(group, readings[name]) for name in ("embedded", "plain"))
        print(
            f"{' '.join(group):<14}{len(mine):>6}{_seconds(mine):>7.0f}"
            f"{error_rate(mine):>8.1f}{error_rate(other):>7.1f}"
            f"{_right(mine):>10}{_right(other):>9}"
            f"{_factor(mine, 'cpu'):>9.3f}{_factor(other, 'cpu'):>7.3f}"
            f"{_factor(mine, 'wall'):>7.3f}{_factor(other, 'wall'):>7.3f}"
        )


def groups(readings: list[Reading]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((reading.clip.corpus, reading.clip.language) for reading in readings))


def of(group: tuple[str, str], readings: list[Reading]) -> list[Reading]:
    return [one for one in readings if (one.clip.corpus, one.clip.language) == group]


def _seconds(readings: list[Reading]) -> float:
    return sum(reading.clip.duration for reading in readings)


def _right(readings: list[Reading]) -> str:
    right = sum(reading.language == reading.clip.language for reading in readings)
    return f"{right}/{len(readings)}"


def _factor(readings: list[Reading], clock: str) -> float:
    spent: Any = sum(getattr(reading, clock) for reading in readings)
    return float(spent) / _seconds(readings)


def check(readings: dict[str, list[Reading]]) -> int:
    failures = [*_wrong_languages(readings["embedded"]), *_worse(readings)]
    print("\nfloors:", "; ".join(failures) or "all hold")
    return bool(failures)


def _wrong_languages(readings: list[Reading]) -> list[str]:
    wrong = [
        f"{one.clip.name} heard as {one.language}"
        for one in readings
        if one.clip.corpus == "shared"
        and one.clip.duration >= SHORTEST_FOR_LANGUAGE
        and one.language != one.clip.language
    ]
    return wrong if len(wrong) > WRONG_LANGUAGES_ALLOWED else []


def _worse(readings: dict[str, list[Reading]]) -> list[str]:
    rates = {
        group: tuple(error_rate(of(group, readings[name])) for name in ("embedded", "plain"))
        for group in groups(readings["embedded"])
        if group[0] != "mismatched"
    }
    return [
        f"{' '.join(group)}: {mine:.1f} against {other:.1f}"
        for group, (mine, other) in rates.items()
        if mine > other + POINTS_ALLOWED
    ]


if __name__ == "__main__":
    sys.exit(main())
