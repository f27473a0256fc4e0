"""A model's name or path goes in; the folder of its weights, on this machine, comes out.

Order: a path that the user gives → the installed weights packages → the Hugging Face hub.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from asr_pandas.errors import WeightsError
from asr_pandas.local import hub, packaged
from asr_pandas.local.pinned import BASE_SHA256, sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_MODEL: Final = "base"

# Without tokenizer.json faster-whisper would fetch one from the hub, unpinned.
_NEEDED: Final = frozenset({"config.json", "model.bin", "tokenizer.json"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A model that can be loaded without a network."""

    name: str
    """`whisper-base`, or the name of the folder that the user gave."""
    folder: Path
    """Holds `model.bin`, `config.json`, `tokenizer.json` and the vocabulary."""
    digest: str
    """SHA-256 over the digests of all files, hexadecimal: the model's identity."""


def locate(model: str | Path = DEFAULT_MODEL) -> Weights:
    """Find a model's weights, and verify those whose digests are pinned.

    Parameters
    ----------
    model : str or Path
        A folder with a Whisper model converted for CTranslate2, or a size: `tiny`, `base`,
        `small`, `medium`, `large-v3`, `turbo`.

    Returns
    -------
    Weights

    Raises
    ------
    OptionError
        `model` is neither a folder nor a size.
    WeightsError
        A file is missing, is not the pinned one, cannot be written or cannot be downloaded.
    """
    # A folder that happens to be called "base" is not meant by the word.
    if model not in hub.SIZES and Path(model).is_dir():
        return _given(Path(model))
    name = f"whisper-{model}"
    if model != DEFAULT_MODEL:
        folder = hub.fetched(str(model))
        return Weights(name=name, folder=folder, digest=_digest(_sums(folder)))
    sources = packaged.installed()
    folder = packaged.joined(sources) if sources else hub.fetched(DEFAULT_MODEL)
    return Weights(name=name, folder=folder, digest=_digest(BASE_SHA256))


def _given(folder: Path) -> Weights:
    sums = _sums(folder)
    if absent := _NEEDED - sums.keys():
        message = (
            f"the model folder {str(folder)!r} lacks {', '.join(sorted(absent))}.\n\n"
            "Hint: it must hold a Whisper model converted for CTranslate2, with its tokenizer.json."
        )
        raise WeightsError(message)
    return Weights(name=folder.resolve().name, folder=folder, digest=_digest(sums))


def _sums(folder: Path) -> dict[str, str]:
    files = (path for path in folder.iterdir() if path.suffix in {".bin", ".json", ".txt"})
    return {path.name: sha256(path) for path in files}


def _digest(sums: Mapping[str, str]) -> str:
    lines = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
    return hashlib.sha256(lines.encode()).hexdigest()
