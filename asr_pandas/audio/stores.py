"""An address in a store in (`s3://bucket/a.wav`); what the store tells of it, or its bytes, out.

fsspec and its packages do the work: https://filesystem-spec.readthedocs.io
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import get_ident
from typing import Any, Final, TypeVar

from asr_pandas.audio.remote import identity, refuse_larger
from asr_pandas.errors import AudioError

_Answer = TypeVar("_Answer")

# A dataset's cells are not ours, and fsspec's addresses are small programs: `file::`, `zip://…::…`
# and `dir://` read this machine, `simplecache::` writes to it, `github://` and `dask://` run code
# or trust hosts. So these stores alone, by the package that each needs. sftp and ssh are not among
# them: fsspec's takes any host key, and would offer the user's own keys to whom a cell names.
_PACKAGES: Final[dict[str, str]] = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "oss": "ossfs",
    "hf": "huggingface_hub",
    "ftp": "fsspec",
    "memory": "fsspec",
}
_ADDRESS: Final = re.compile(r"([a-z0-9]+)://([^/@]*@)?(.+)", re.ASCII | re.IGNORECASE)
_OPEN: Final = 64  # file systems; a frame may name any number of buckets
_LONGEST_NAME: Final = 200  # characters

# What changes with the content, the best first: names that stores give it in fsspec's `info`.
_CONTENT: Final = (
    "md5Hash",  # Google, which measures it itself; Azure's is whatever the sender said
    "generation",
    "ETag",
    "etag",
    "VersionId",
    "version_id",
    "blob_id",  # Git's digest, on Hugging Face
    "xet_hash",
)
# Not enough without the size.
_TIMES: Final = ("LastModified", "last_modified", "updated", "mtime", "modify", "created")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a store tells about a file without sending it."""

    name: str
    """What to call it in a message."""
    identity: str | None
    """What the journal knows it by; None where the store tells nothing that changes with it."""
    size: int | None
    """Bytes."""


def is_stored(cell: object) -> bool:
    """Tell whether a cell is one plain address in a store that is read.

    Examples
    --------
    >>> [is_stored(cell) for cell in ("s3://bucket/a.wav", "HF://datasets/me/calls/a.wav")]
    [True, True]
    >>> [is_stored(cell) for cell in ("a.wav", "https://example.org/a.wav", "zip://a::s3://b/c")]
    [False, False, False]
    """
    if not isinstance(cell, str) or "::" in cell or not cell.strip().isprintable():
        return False
    parts = _ADDRESS.fullmatch(cell.strip())
    return parts is not None and parts[1].lower() in _PACKAGES


def identity_of_info(address: str, info: Mapping[str, Any]) -> str | None:
    """Tell what the journal knows a file by, from what its store says.

    Parameters
    ----------
    address : str
        As in the cell.
    info : mapping
        fsspec's `info` of it.

    Returns
    -------
    str or None
        `sha256:…` where the store has the file's digest, as of a local file; else the address,
        what changes with the content, and the size. None where nothing does.

    Examples
    --------
    >>> identity_of_info("s3://calls/a.wav", {"ETag": '"5d41"', "size": 160_044})
    's3://calls/a.wav|etag="5d41"|size=160044'
    """
    large = info.get("lfs")
    digest = str(large.get("sha256")) if isinstance(large, Mapping) else ""
    if _SHA256.fullmatch(digest):
        return f"sha256:{digest}"
    size = {} if info.get("size") is None else {"size": str(info["size"])}
    facts = _first(info, _CONTENT) or (_first(info, _TIMES) if size else {})
    return identity(_without_password(address), {**facts, **size}) if facts else None


def _first(info: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    found = ((name, _text(info.get(name))) for name in names)
    return next(({name.lower(): text} for name, text in found if text), {})


def _text(value: object) -> str:
    """Write what a store says as text; "" where it says nothing, "null" being S3's word for it."""
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    return str(value) if isinstance(value, str | int | float) and value != "null" else ""


class Stores:
    """The stores that a run reads: one for each run, shared by its threads.

    What a store listed once is remembered while it is open, so that a later run looks anew.
    """

    def __init__(self) -> None:
        self._opened: dict[tuple[object, ...], Any] = {}

    def look(self, address: str) -> Stored:
        """Ask what is at an address, without downloading it.

        Raises
        ------
        AudioError
            Of kind `download`: the store or the file is not reached; `unreadable`: it is a folder.
        """
        info = self._ask(address, lambda store, path: store.info(path))
        name = named(address)
        if info.get("type") == "directory":
            message = f"{name}: is a folder. Hint: name the files in it, one in each row."
            raise AudioError(message)
        size = info.get("size")
        return Stored(
            name=name,
            identity=identity_of_info(address, info),
            size=size if isinstance(size, int) else None,
        )

    def fetch(self, address: str, *, largest: int) -> bytes:
        """Download an address.

        Parameters
        ----------
        address : str
            One that `is_stored`.
        largest : int
            Bytes; at most one beyond is read.

        Raises
        ------
        AudioError
            Of kind `download`, `too_large` or `unreadable`.
        """
        stored = self.look(address)
        refuse_larger(stored.name, stored.size, largest)
        if stored.size == 0:
            return b""  # a part of nothing cannot be asked for
        content = self._ask(
            address, lambda store, path: store.cat_file(path, start=0, end=largest + 1)
        )
        refuse_larger(stored.name, len(content), largest)
        return bytes(content)

    def _ask(self, address: str, question: Callable[[Any, str], _Answer]) -> _Answer:
        try:
            path = _plain(address)
            return question(self._store(path), path)
        except AudioError:
            raise
        except FileNotFoundError:
            reason = "it is not there"
        except Exception as error:  # noqa: BLE001 - each store's package has its own errors
            # The kind of error alone: its text may hold a signature.
            reason = type(error).__name__
        message = (
            f"{named(address)}: cannot be read from its store: {reason}. "
            "Hint: check the address, and that this machine is signed in there."
        )
        raise AudioError(message, kind="download")

    def _store(self, path: str) -> Any:  # noqa: ANN401 - fsspec is untyped
        # An address may say how its store is opened; and FTP's connection is one thread's.
        place = (get_ident(), "?" in path, *path.split("/", 3)[:3])
        store = self._opened.get(place)
        if store is None:
            if len(self._opened) >= _OPEN:
                self._opened.clear()
            store = self._opened[place] = _opened(path)
        return store


def _opened(path: str) -> Any:  # noqa: ANN401 - fsspec is untyped
    """Open a file system of our own; fsspec's shared ones remember for ever what they listed."""
    scheme = path.partition(":")[0]
    try:
        from fsspec import get_filesystem_class  # type: ignore[import-untyped]
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]

        get_filesystem_class(scheme)
    except (ImportError, ValueError):  # the latter where a package brings a scheme of its own
        package = _PACKAGES[scheme]
    else:
        return url_to_fs(path, skip_instance_cache=True)[0]
    message = f"{named(path)}: is read with {package}. Hint: pip install {package}"
    raise AudioError(message, kind="download")


def _plain(address: str) -> str:
    """Return an address as fsspec takes it; what is no such address goes no further."""
    parts = _ADDRESS.fullmatch(address.strip()) if is_stored(address) else None
    if parts is None:
        message = f"{named(address)}: is not an address in a store that is read."
        raise AudioError(message)
    return f"{parts[1].lower()}://{parts[2] or ''}{parts[3]}"


def _without_password(address: str) -> str:
    """Return an address as it is kept and shown; in `abfs://calls@account` nobody is named."""
    parts = _ADDRESS.fullmatch(address.strip())
    if parts is None:
        return address
    user = parts[2] or ""
    return f"{parts[1].lower()}://{'' if ':' in user else user}{parts[3]}"


def named(address: str) -> str:
    """Name an address in a message; `repr` keeps what is in it from acting there."""
    name = repr(_without_password(address))
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
