"""What the default weights must be, byte for byte, and the check that they are."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from asr_pandas.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BASE_REVISION: Final = "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66"
"""The commit of Systran/faster-whisper-base on the Hugging Face hub."""

BASE_SHA256: Final[Mapping[str, str]] = {
    "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}
"""Its files. The installed weights packages hold the same bytes."""


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(path: Path, *, name: str, cure: str) -> None:
    """Compare a file with the pinned one of that name.

    Parameters
    ----------
    path : Path
        Where the file is.
    name : str
        A key of `BASE_SHA256`.
    cure : str
        What the user can do when it is another file; ends the message.

    Raises
    ------
    WeightsError
        The digests differ; the message names the file and both.
    """
    if (actual := sha256(path)) != BASE_SHA256[name]:
        message = (
            f"{name} of the embedded recogniser is not the pinned file.\n"
            f"    found    SHA-256 {actual}\n    expected SHA-256 {BASE_SHA256[name]}\n\n"
            f"Hint: it is damaged or was changed; {cure}"
        )
        raise WeightsError(message)
