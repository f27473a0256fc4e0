"""Frames of audio to try things on: clips in this package, and recorded telephone prompts."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Final, Literal, get_args

import pandas as pd

from asr_pandas.columns import TEXT
from asr_pandas.errors import OptionError
from asr_pandas.files.prompts import prompts, prompts_root

SamplesKind = Literal["bundled", "prompts"]

BUNDLED: Final = Path(__file__).parent / "bundled"
DEMO_DURATION: Final = (3.0, 8.0)
"""Shortest and longest prompt of the demo, seconds."""


def samples(kind: SamplesKind = "bundled") -> pd.DataFrame:
    """Return a frame of audio files with what is said in them.

    Parameters
    ----------
    kind
        ``"bundled"``: about ten short clips that come with this package, in the usual containers,
        of a synthetic English voice; one is silent and one is no audio. ``"prompts"``: about
        1,500 telephone prompts read by people in English, Spanish and French, from the Debian
        packages ``asterisk-core-sounds-*`` (CC-BY-SA-3.0; Allison Smith, June Wallack). They are
        fetched once (60 MB) into the user's cache where they are not installed.

    Returns
    -------
    pandas.DataFrame
        Text columns ``audio`` (absolute path), ``reference`` (what is said) and ``spoken`` (code
        of the language); the latter two are missing where nothing is said.

    Raises
    ------
    SamplesMissing
        If the prompts are not on this machine and cannot be fetched.
    OptionError
        If there is no such kind.

    Examples
    --------
    >>> samples().columns.tolist()
    ['audio', 'reference', 'spoken']
    """
    match kind:
        case "bundled":
            return _bundled()
        case "prompts":
            return _recorded()
        case _ as unknown:
            raise _unknown(unknown)


def demo_prompts(frame: pd.DataFrame, *, per_language: int = 8) -> pd.DataFrame:
    """Pick prompts to show: always the same ones, evenly spaced over the frame.

    Parameters
    ----------
    frame
        What ``samples("prompts")`` returns.
    per_language
        How many prompts of each language; fewer where a language has no more of 3 to 8 seconds.

    Returns
    -------
    pandas.DataFrame
        Rows of `frame`, language by language, numbered anew.
    """
    shortest, longest = DEMO_DURATION
    seconds = frame["audio"].map(_wave_duration).astype("float64")
    fitting = frame[seconds.between(shortest, longest)]
    picked = [
        rows.iloc[_evenly_spaced(len(rows), per_language)]
        for _, rows in fitting.groupby("spoken", sort=True)
    ]
    return pd.concat([frame.iloc[:0], *picked], ignore_index=True)


def _bundled() -> pd.DataFrame:
    table = pd.read_csv(BUNDLED / "samples.csv", dtype=TEXT)
    return pd.DataFrame(
        {
            "audio": [str(BUNDLED / file) for file in table["file"]],
            "reference": table["reference"],
            "spoken": table["spoken"],
        }
    ).astype(TEXT)


def _recorded() -> pd.DataFrame:
    rows = [(str(audio), words, spoken) for audio, words, spoken in prompts(prompts_root())]
    return pd.DataFrame(rows, columns=["audio", "reference", "spoken"], dtype=TEXT)


def _unknown(kind: object) -> OptionError:
    kinds = " or ".join(f'samples("{known}")' for known in get_args(SamplesKind))
    return OptionError(f"There are no samples of kind {kind!r}.\n\nHint: {kinds}.")


def _evenly_spaced(length: int, count: int) -> list[int]:
    """Choose up to `count` of `length` positions, each from the middle of its share."""
    count = min(length, count)
    return [(2 * share + 1) * length // (2 * count) for share in range(count)]


def _wave_duration(path: str) -> float:
    with wave.open(path) as clip:
        return float(clip.getnframes() / clip.getframerate())
